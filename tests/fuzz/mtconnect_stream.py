"""What an agent sends, damaged: documents or an error, values that somebody said, and no value of
a document that was not whole; then the agent is read again.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from drivers.api import TagSpec
from drivers.mtconnect.address import parse as parse_address
from drivers.mtconnect.documents import DocumentError, parse
from drivers.mtconnect.follow import Follower
from drivers.mtconnect.http import Answer, HttpError, Parts
from drivers.mtconnect.reading import read
from drivers.mtconnect.simulator import Agent

_HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: multipart/x-mixed-replace;boundary=b\r\n"
_TAGS = [
    TagSpec(address, address, kind, 1, length=24 if kind == "string" else 0)  # type: ignore[arg-type]
    for address, kind in (
        ("xabs", "float64"), ("exec", "string"), ("system", "string"), ("path_pos[1]", "float32"),
        ("line", "int16"), ("exec=ACTIVE", "bool"), ("xabs@time", "int64"), ("none", "string"),
    )
]  # fmt: skip
_SPICE = [
    b"<", b">", b"&", b"--b\r\n", b"--b--", b"</MTConnectStreams>", b"\0", b"UNAVAILABLE",
    b'sequence="99999999999999999999999"', b"<!DOCTYPE a>", b"ffffffff\r\n", b"\r\n\r\n",
]  # fmt: skip


@contextmanager
def cases(folder: Path) -> Iterator[Callable[[random.Random], None]]:
    with Agent(moves=False) as agent:
        probe, whole = agent.probe(), agent.current()
        agent.put("xabs", "12.5")
        agent.condition("sys", "Fault", "9", "stop")
        first, following = agent.sample(1, 10)
        second, _ = agent.sample(following, 100)

    def case(rng: random.Random) -> None:
        follower = Follower()
        follower.probed(parse(probe))
        follower.current(parse(whole))
        for document in _documents(rng, [first, second, whole][: rng.randint(1, 3)]):
            try:
                follower.sampled(parse(document))
            except DocumentError:
                continue
            _judge(follower)
        follower = Follower()  # as after a new connection to an agent that restarted
        follower.probed(parse(probe))
        assert follower.current(parse(second)) == "go_on"
        assert read(follower, _TAGS[0], parse_address("xabs"))[0] == 1

    yield case


def _judge(follower: Follower) -> None:
    """Every tag has a quality and as many bytes as its type, whatever was said."""
    for tag in _TAGS:
        quality, data = read(follower, tag, parse_address(tag.address))
        sizes = {"float64": 8, "int64": 8, "float32": 4, "int16": 2, "bool": 1, "string": 24}
        assert quality in (1, 64, 133, 137, 139), quality
        assert len(data) == sizes[tag.type]
        assert quality < 128 or not any(data), "what is bad brings no value"
    assert follower.next_sequence >= 0
    assert follower.lost_max >= 0


def _documents(rng: random.Random, documents: list[bytes]) -> list[bytes]:
    """Spoilt somewhere, cut anywhere."""
    body = b"".join(
        b"--b\r\nContent-length: %d\r\n\r\n%b\r\n" % (len(each), each) for each in documents
    )
    stream = bytearray(_HEAD)
    if rng.random() < 0.5:
        stream += b"Transfer-Encoding: chunked\r\n\r\n"
        size = rng.randint(1, 500)
        for at in range(0, len(body), size):
            piece = body[at : at + size]
            stream += b"%x\r\n%b\r\n" % (len(piece), piece)
    else:
        stream += b"\r\n" + body
    for _ in range(rng.randint(0, 4)):
        at = rng.randrange(len(stream))
        if rng.random() < 0.5:
            stream[at:at] = rng.choice(_SPICE)
        else:
            del stream[at : at + rng.choice([1, 5, 100])]
    found: list[bytes] = []
    answer, parts, at = Answer(), None, 0
    try:
        while at < len(stream):
            upto = at + rng.randint(1, 2000)
            answer.feed(bytes(stream[at:upto]))
            at = upto
            if answer.head is None:
                continue
            if parts is None:
                if answer.head.boundary is None:
                    break
                parts = Parts(answer.head.boundary)
            found += parts.feed(answer.take())
    except HttpError:
        return found
    return found
