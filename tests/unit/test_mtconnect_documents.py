"""XML of agents: the standard's forms, odd ones, and hostile ones."""

from __future__ import annotations

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivers.mtconnect.documents import DocumentError, parse, time_ns

SPACE = 'xmlns="urn:mtconnect.org:MTConnectStreams:{}" xmlns:x="urn:other"'
STREAMS = """<?xml version="1.0" encoding="UTF-8"?>
<?xml-stylesheet type="text/xsl" href="/styles/styles.xsl"?>
<MTConnectStreams {space} schemaLocation="http://example.invalid/x.xsd">
  <Header creationTime="2026-11-24T02:00:00Z" sender="a" instanceId="1290000000" version="1.3"
    bufferSize="131072" nextSequence="20" firstSequence="1" lastSequence="19"/>
  <Streams><DeviceStream name="VMC" uuid="u1">
    <ComponentStream component="Linear" name="X" componentId="x">
      <Samples>
        <Position dataItemId="xp" timestamp="2026-11-24T02:00:00.123456Z" sequence="12"
          name="Xact" subType="ACTUAL"> 12.3450 </Position>
        <x:Vibration dataItemId="v" timestamp="2026-11-24T02:00:01" sequence="13">3</x:Vibration>
        <PositionTimeSeries dataItemId="ts" sequence="14" sampleCount="3">1 2 3</PositionTimeSeries>
      </Samples>
      <Events>
        <Execution dataItemId="e" timestamp="garbage" sequence="15">OPTIONAL_STOP</Execution>
        <VariableDataSet dataItemId="ds" sequence="16" count="2"><Entry key="a">1</Entry>
          <Entry key="b" removed="true"/></VariableDataSet>
      </Events>
      <Condition>
        <Fault dataItemId="c" timestamp="2026-11-24T02:00:02Z" sequence="17" nativeCode="1010"
          type="SYSTEM" qualifier="HIGH">EMERGENCY &lt;STOP&gt;</Fault>
        <Normal dataItemId="c2" sequence="18" type="ACTUATOR"/>
        <Warning dataItemId="c" sequence="19" nativeCode="7" conditionId="w7" type="SYSTEM"/>
      </Condition>
    </ComponentStream></DeviceStream></Streams>
</MTConnectStreams>"""


@pytest.mark.parametrize("version", ["1.1", "1.3", "1.8", "2.0", "2.5"])
def test_streams_when_of_any_version_then_the_same_values(version: str) -> None:
    document = parse(STREAMS.replace("{space}", SPACE.format(version)).encode())
    head = document.header
    assert (head.instance_id, head.next_sequence, head.buffer_size) == ("1290000000", 20, 131072)
    by_item = {(one.item, one.sequence): one for one in document.observations}
    x = by_item["xp", 12]
    assert (x.value, x.name, x.time_ns) == ("12.3450", "Xact", 1795485600_123456000)
    assert by_item["v", 13].value == "3", "another namespace"
    assert by_item["ts", 14].value == "1 2 3"
    assert (by_item["e", 15].value, by_item["e", 15].time_ns) == ("OPTIONAL_STOP", 0)
    assert by_item["ds", 16].entries == {"a": "1", "b": "UNAVAILABLE"}
    fault, warning = by_item["c", 17], by_item["c", 19]
    assert (fault.level, fault.code, fault.key, fault.value) == (
        "FAULT", "1010", "1010", "EMERGENCY <STOP>",
    )  # fmt: skip
    assert (warning.level, warning.key) == ("WARNING", "w7")
    assert by_item["c2", 18].level == "NORMAL"


def test_devices_when_probed_then_items_of_all_components_with_their_machine() -> None:
    document = parse(
        b'<MTConnectDevices xmlns="urn:mtconnect.org:MTConnectDevices:1.2"><Header/>'
        b'<Devices><Device id="d" uuid="u" name="VMC"><DataItems>'
        b'<DataItem category="EVENT" id="a" type="AVAILABILITY"/></DataItems>'
        b'<Components><Axes id="x">'
        b'<DataItems><DataItem category="SAMPLE" id="p" name="Xact" type="POSITION"/>'
        b"<DataItem/></DataItems></Axes></Components></Device></Devices></MTConnectDevices>"
    )
    assert [(item.id, item.name, item.type) for item in document.items] == [
        ("a", "", "AVAILABILITY"), ("p", "Xact", "POSITION"),
    ]  # fmt: skip
    assert document.items[0].device == ("VMC", "u", "d")


@pytest.mark.parametrize(
    "errors",
    [
        '<Errors><Error errorCode="OUT_OF_RANGE">from is gone</Error></Errors>',
        '<Error errorCode="OUT_OF_RANGE">from is gone</Error>',
        '<Errors><OutOfRange errorCode="OUT_OF_RANGE"><ErrorMessage>from is gone</ErrorMessage>'
        "</OutOfRange></Errors>",
    ],
)
def test_error_when_of_an_old_or_a_new_version_then_its_code(errors: str) -> None:
    document = parse(f"<MTConnectError><Header/>{errors}</MTConnectError>".encode())
    assert document.errors == (("OUT_OF_RANGE", "from is gone"),)
    assert document.has_error("OUT_OF_RANGE")


HOSTILE = {
    "external entity": '<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]>'
    "<MTConnectStreams>&x;</MTConnectStreams>",
    "external dtd": '<!DOCTYPE a SYSTEM "http://127.0.0.1:9/x.dtd"><MTConnectStreams/>',
    "billion laughs": "<!DOCTYPE a [<!ENTITY a0 'ha'>"
    + "".join(f"<!ENTITY a{i} '{f'&a{i - 1};' * 10}'>" for i in range(1, 12))
    + "]><MTConnectStreams>&a11;</MTConnectStreams>",
    "quadratic": f"<!DOCTYPE a [<!ENTITY a '{'h' * 50_000}'>]><MTConnectStreams>"
    + "&a;" * 5_000
    + "</MTConnectStreams>",
    "undefined entity": "<MTConnectStreams>&nbsp;</MTConnectStreams>",
    "html": "<html><body>404</body></html>",
    "cut": "<MTConnectStreams><Header",
    "empty": "",
    "not text": "\x00\x01\x02",
    "encoding": '<?xml version="1.0" encoding="ebcdic-nonsense"?><MTConnectStreams/>',
    "two roots": "<MTConnectStreams/><MTConnectStreams/>",
    "duplicate attribute": '<MTConnectStreams a="1" a="2"/>',
}


@pytest.mark.parametrize("name", HOSTILE)
def test_document_when_hostile_or_broken_then_refused_at_once(name: str) -> None:
    begun = time.process_time()
    with pytest.raises(DocumentError):
        parse(HOSTILE[name].encode())
    assert time.process_time() - begun < 0.5


def test_document_when_nested_very_deep_then_read_or_refused_without_harm() -> None:
    deep = b"<MTConnectStreams>" + b"<a>" * 200_000 + b"</a>" * 200_000 + b"</MTConnectStreams>"
    assert parse(deep).observations == ()


@pytest.mark.parametrize(
    ("text", "ns"),
    [
        ("1970-01-01T00:00:00Z", 0),
        ("2026-11-24T10:00:00.5+08:00", 1795485600_500000000),
        ("2026-11-24T02:00:00.1234567891Z", 1795485600_123456789),
        ("2026-11-24T02:00:60Z", 1795485660_000000000),
        ("2026-13-24T02:00:00Z", 0),
        ("0001-01-01T00:00:00Z", 0),
        ("9999-12-31T00:00:00Z", 0),
        ("", 0),
    ],
)
def test_time_when_written_then_nanoseconds_or_none(text: str, ns: int) -> None:
    assert time_ns(text) == ns


WORDS = st.sampled_from(
    ["<MTConnectStreams>", "</MTConnectStreams>", "<Header nextSequence='", "'/>", "<Samples>",
     "<P dataItemId='x' sequence='9'>", "</P>", "</Samples>", "<!DOCTYPE a>", "&amp;", "&x;", "1",
     "<Condition>", "<Fault dataItemId='c' nativeCode='1'/>", "</Condition>", "]]>", "<!--", "\0"]
)  # fmt: skip


@settings(max_examples=400, deadline=None)
@given(st.one_of(st.binary(max_size=300), st.lists(WORDS).map(lambda w: "".join(w).encode())))
def test_document_when_it_is_anything_then_parsed_or_refused(data: bytes) -> None:
    try:
        document = parse(data)
    except DocumentError:
        return
    assert document.kind in {"Streams", "Devices", "Error", "Assets"} or document.kind is not None
