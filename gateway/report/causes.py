"""Why something is wrong, as far as the counters and the neighbours tell: the driver knows one
request, a technician wants to know which link and which devices, and what to look at first.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from jiahe.ingest.v1 import ingest_pb2 as pb

from drivers.quality import BAD
from gateway.messages import some
from gateway.report.recent import Recent
from gateway.report.snapshot import DeviceSnapshot, LinkSnapshot, Said
from gateway.report.troubles import WHOLE_LINK

#: What a row says that was due while its device, or its link, was away.
_AWAY = {pb.QUALITY_BAD_NO_ANSWER, pb.QUALITY_BAD_LINK_DOWN, pb.QUALITY_BAD_NOT_ASKED}
#: A master that asks more rarely is not known.
HEARD_S = 10
#: A bus is called noisy from this share of damaged answers on among the last minute's requests,
#: until it falls below the second one, and never for fewer damaged answers than the third number:
#: one or two are chance.
NOISY_SHARE, QUIET_SHARE, NOISY_LEAST = 0.05, 0.02, 3
#: A bus is not silent that was heard so lately.
STILL_S = 5.0

#: A device's newest values: each with `tag`, `quality` and `time_ns`.
Latest = Callable[[str], Sequence[Mapping[str, Any]]]
Devices = Sequence[DeviceSnapshot]


def explain(
    links: Sequence[LinkSnapshot], devices: Devices, latest: Latest, recent: Recent, now_ns: int
) -> None:
    """Put what else is known into the causes of one snapshot, and the links' warnings."""
    recent.forget(now_ns)
    of_link: dict[str, list[DeviceSnapshot]] = {link["name"]: [] for link in links}
    for device in devices:
        of_link[device["link"]].append(device)
    for link in links:
        members = of_link[link["name"]]
        about = {"link": link["name"], "devices": some([each["name"] for each in members])}
        cause = link["cause"]
        if cause and cause["id"] == "link.timeout" and recent.was_up(link, now_ns):
            # Given up after time-outs, and made anew: a machine that is off does not get so far.
            cause = _bus(link, members, recent, now_ns)
        if cause and cause["id"] == "link.reset" and _is_only_reset(link, members):
            cause = Said(id="link.reset_asked", args=cause["args"])
        if cause:
            about["host"] = link["target"].rpartition(":")[0].strip("[]") or link["target"]
            link["cause"] = Said(id=cause["id"], args={**cause["args"], **about})
        for device in members:
            cause = device["cause"]
            if cause and device["state"] != "partly" and cause["id"] in _SILENCE:
                device["cause"] = _silence(link, device, members, recent, now_ns)
            elif cause and cause["id"] == "device.not_heard":
                device["cause"] = _not_heard(link, members) or cause
            elif cause and cause["id"] == "device.partly":
                device["cause"] = _partly(link, device, latest(device["name"]), now_ns) or cause
        link["warnings"] = []
        if link["state"] == "up" and not link["cause"]:
            for said in _of_link(link, members, recent, now_ns):
                if said["id"] in WHOLE_LINK:
                    said["args"] |= about
                link["warnings"].append(said)
                if said["id"] == "link.reset_asked":
                    for device in members:
                        device["state"] = "silent"  # it has been asked, again and again
    recent.look(links, devices, now_ns)


def _is_only_reset(link: LinkSnapshot, members: Devices) -> bool:
    """Whether it hangs up on whatever it is asked, and is no host that could have another reason:
    mostly it does not speak what it is spoken to in.
    """
    numbered = any(each["unit"] is not None for each in members)
    return numbered and link["requests"] > 1 and not link["answers"]


# ---- a device ------------------------------------------------------------------------------

_SILENCE = {"device.no_answer", "device.damaged"}
_DAMAGE = {"device.damaged", "device.no_answer_damaged", "device.no_answer_damaged_alone"}


def _silence(
    link: LinkSnapshot, device: DeviceSnapshot, members: Devices, recent: Recent, now_ns: int
) -> Said:
    """Silence, damage and a stranger's answer want different hands: power, wiring, unit number.
    What came since its last good answer decides, not what once was.
    """
    good_s = device["last_good_s"]
    lately = recent.of_device(device, _last_good_ns([device], now_ns))
    cause = device["cause"]
    just_now = cause is not None and cause["id"] == "device.damaged" and not lately.timeouts
    damaged = just_now or _is_damage(lately.damaged, lately.timeouts)
    # Noise spoils some answers and swallows others: what was damage a moment ago still is.
    if damaged or (device["name"] in recent.damaged and recent.of_device(device).damaged):
        recent.damaged.add(device["name"])
        if "damage" in device:
            return device["damage"]
        if good_s is not None:
            return Said(id="device.damaged", args={})
        is_bus = link["type"] in ("serial", "listen")
        well = is_bus and any(each["state"] == "good" for each in members if each is not device)
        said = "device.no_answer_damaged_alone" if well else "device.no_answer_damaged"
        return Said(id=said, args={"damaged": max(1, lately.damaged)})
    recent.damaged.discard(device["name"])
    is_wire = link["type"] in ("serial", "listen")
    alone = all(each["state"] in ("silent", "starting") for each in members)
    strange = alone and recent.of_link(link, _last_good_ns(members, now_ns)).wrong
    if is_wire and device["unit"] is not None and strange:
        return Said(id="device.other_unit", args={"unit": device["unit"]})
    late_us = device.get("late_us", 0)
    if late_us > device["timeout_us"]:
        args = {"late": _seconds(late_us), "timeout": _seconds(device["timeout_us"])}
        return Said(id="device.too_slow", args={**args, "link": link["name"]})
    if is_wire and not alone:
        if good_s is not None:
            return Said(id="device.no_answer_alone", args={"age": _age(good_s)})
        if not device["exceptions"]:
            return Said(id="device.never_answered_alone", args={})
    if link["type"] == "udp":  # no connection that could be up
        return Said(id="device.no_answer", args={})
    if good_s is not None:
        said = "device.no_answer_since" if is_wire else "device.no_answer_since_tcp"
        return Said(id=said, args={"age": _age(good_s)})
    if device["exceptions"]:  # it did answer, though never with a value
        return Said(id="device.no_answer", args={})
    if not is_wire and _is_host(device):
        return Said(id="device.never_answered_host", args={})
    if device["unit"] is None:
        return Said(id="device.never_answered_meter", args={})
    said = "device.never_answered" if is_wire else "device.never_answered_tcp"
    return Said(id=said, args={})


def _is_host(device: DeviceSnapshot) -> bool:
    """Whether it is at its address itself, and is not told apart there by a number."""
    return device["unit"] is None and not device.get("line", True)


def _is_damage(damaged: int, timeouts: int) -> bool:
    """A damaged answer puts the next ones off: beside it come time-outs."""
    return damaged > 0 and 2 * damaged >= timeouts


def _last_good_ns(members: Devices, now_ns: int) -> int | None:
    ages = [each["last_good_s"] for each in members if each["last_good_s"] is not None]
    return now_ns - int(min(ages) * 1e9) if ages else None


def _seconds(us: int) -> Said:
    """0.5 s, 300 ms."""
    if us >= 1_000_000:
        return Said(id="cli.seconds", args={"seconds": round(us / 1e6, 1)})
    return Said(id="cli.milliseconds", args={"ms": round(us / 1e3)})


def _age(seconds: float) -> Said:
    whole = max(1, int(seconds))
    if whole >= 86_400:
        return Said(id="cli.days", args={"days": whole // 86_400})
    if whole >= 3_600:
        return Said(id="cli.hours", args={"hours": whole // 3_600})
    if whole >= 60:
        return Said(id="cli.minutes", args={"minutes": whole // 60})
    return Said(id="cli.seconds", args={"seconds": whole})


def _partly(
    link: LinkSnapshot, device: DeviceSnapshot, rows: Sequence[Mapping[str, Any]], now_ns: int
) -> Said | None:
    """None where a tag was asked since the device came back and is bad all the same: a slow group
    whose turn has not come yet only shows how it was before.
    """
    back_ns = now_ns - int(min(link["since_s"], device["since_s"]) * 1e9)
    bad = [row for row in rows if row["quality"] >= BAD]
    for row in bad:
        if row["quality"] not in _AWAY or row["time_ns"] > back_ns:
            return None
    if not bad:
        return None
    due_ns = max(row["time_ns"] + row["tag"].every_ns for row in bad)
    seconds = max(1, -(-(due_ns - now_ns) // 1_000_000_000))
    return Said(id="device.waiting", args={"count": len(bad), "seconds": seconds})


# ---- a link --------------------------------------------------------------------------------


def _of_link(link: LinkSnapshot, members: Devices, recent: Recent, now_ns: int) -> Iterator[Said]:
    """What is wrong with one that is up."""
    if others := link.get("others"):
        asker = "link.another_master" if others["heard"] else "link.another_client"
        every = Said(id="cli.seconds", args={"seconds": max(0.1, round(others["every_s"], 1))})
        yield Said(id=asker, args={"link": link["name"], "every": every})
    if beat := link.get("beat"):
        every = Said(id="cli.seconds", args={"seconds": max(0.1, round(beat["every_s"], 1))})
        args = {"link": link["name"], "said": beat["said"], "every": every}
        yield Said(id="link.heartbeat", args=args)
    if (tls := link.get("tls")) and not tls["files_usable"]:
        yield Said(id="link.tls_kept", args={"link": link["name"]})
    if link["reconnects"] > 1 and not link["timeouts"] and _is_only_reset(link, members):
        # Up for a moment: until it is asked again.
        yield Said(id="link.reset_asked", args={"target": link["target"]})
        return
    before = set(recent.noisy) if _good_lately(members) else set()
    if link["listen_only"]:
        said = _not_heard(link, members)
        if said is None and link["since_s"] > HEARD_S:
            said = _nothing_heard(link)
        if said is not None:
            yield said
    else:
        noise = _noise(link, members, recent)
        if noise and (link["name"] in before or not _is_whole(link, members)):
            yield noise
        elif _is_whole(link, members):
            yield _bus(link, members, recent, now_ns)


_NO_ANSWER = {
    "device.no_answer", "device.no_answer_since", "device.no_answer_since_tcp",
    "device.never_answered", "device.never_answered_tcp", "device.never_answered_host",
    "device.never_answered_meter",
    "device.damaged",
    "device.no_answer_damaged", "device.no_answer_damaged_alone", "device.other_unit",
    "device.too_slow",
}  # fmt: skip


def _is_whole(link: LinkSnapshot, members: Devices) -> bool:
    """Whether all of its devices are silent, more than one on a wire; unlike devices of which
    somebody says why they can't be read.
    """
    least = {"tcp": 1, "serial": 2, "listen": 2}.get(link["type"], len(members) + 1)
    return len(members) >= least and all(
        each["state"] in ("silent", "starting")
        and each["cause"] is not None
        and each["cause"]["id"] in _NO_ANSWER
        for each in members
    )


def _bus(link: LinkSnapshot, members: Devices, recent: Recent, now_ns: int) -> Said:
    """All of its devices are silent at once, which is rarely the fault of each. A connection that
    is given up for that and made anew is told in the same words as one that is up.
    """
    ages = [each["last_good_s"] for each in members if each["last_good_s"] is not None]
    before = Said(id="link.never_before", args={})
    if ages:
        before = Said(id="link.fine_before", args={"age": _age(min(ages))})
    lately = recent.of_link(link, _last_good_ns(members, now_ns))
    if _is_damage(lately.damaged, lately.timeouts):
        said = "link.silent_damaged"
    elif link["type"] not in ("serial", "listen"):
        said = "link.silent_alone_since" if ages else "link.silent_alone"
        said = "link.silent_tcp" if len(members) > 1 else said
        if all(map(_is_host, members)):
            said = "link.silent_host"
        elif not ages and all(each["unit"] is None for each in members):
            said = "link.silent_meters"
    else:
        said = "link.silent_stranger" if lately.wrong else "link.silent"
    return Said(id=said, args={"target": link["target"], "before": before})


def _good_lately(members: Devices) -> bool:
    """A bus of which something was read so lately is noisy, and not silent."""
    ages = [each["last_good_s"] for each in members if each["last_good_s"] is not None]
    return bool(ages) and min(ages) < STILL_S


def _noise(link: LinkSnapshot, members: Devices, recent: Recent) -> Said | None:
    """Damage to the answers of devices that answer, or that do not for nothing else. Of one that is
    starting nothing was read yet.
    """
    if not any(each["damaged"] for each in members):
        return None
    asked = [each for each in members if each["state"] != "starting"]
    heard = [each for each in asked if each["cause"] is None or each["cause"]["id"] in _DAMAGE]
    lately = [recent.of_device(each) for each in heard]
    requests = sum(each.requests for each in lately)
    damaged = sum(each.damaged for each in lately)
    share = damaged / requests if requests else 0.0
    noisy = link["name"] in recent.noisy
    if share < (QUIET_SHARE if noisy else NOISY_SHARE) or damaged < NOISY_LEAST:
        recent.noisy.discard(link["name"])
        return None
    recent.noisy.add(link["name"])
    lost = any(each["cause"] for each in heard)
    args = {"link": link["name"], "percent": round(100 * share)}
    dialled = link.get("dialled")
    if dialled and not dialled["heartbeats"] and not link.get("beat"):
        return Said(id="link.noisy_dtu", args=args)
    return Said(id="link.noisy_lost" if lost else "link.noisy", args=args)


def _nothing_heard(link: LinkSnapshot) -> Said | None:
    """What is wrong with a bus that is only listened to: nothing was heard, or nothing that makes
    sense.
    """
    if link["answers"]:
        return None
    said = "link.nothing_understood" if link["bytes_in"] else "link.nothing_heard"
    return Said(id=said, args={"target": link["target"]})


def _not_heard(link: LinkSnapshot, members: Devices) -> Said | None:
    """None where the master is heard asking others."""
    if all(each["state"] == "silent" for each in members):
        return _nothing_heard(link) or Said(
            id="link.master_silent", args={"target": link["target"]}
        )
    return None
