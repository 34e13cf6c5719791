"""The stage of the demonstration: three machines, their configuration, and the process rig."""

from __future__ import annotations

from pathlib import Path
from typing import Self

from tests.kit.rig import Rig
from tests.kit.tee import Tee

HERE = Path(__file__).parent
GATEWAY = "demo-box"
METER = f"{5:012}"  # what the simulated meter 5 has on its plate

_CONFIG = """\
version = 1

[gateway]
id       = "{gateway}"
site     = "demonstration"
language = "en"
control  = "control.sock"

[platform]
address = "127.0.0.1:{relay}"
ca   = "pki/ca.pem"
cert = "pki/box.pem"
key  = "pki/box.key"

[buffer]
path = "buffer"

[links.robot]
type    = "tcp"
address = "{robot}"

[links.cnc]
type    = "tcp"
address = "{cnc}"

[links.rs485]
type    = "serial"
port    = "{bus}"
baud    = 9600
timeout = "300 ms"

[devices.robot]
link    = "robot"
driver  = "modbus"
profile = "universal-robots"
every   = "10 ms"

[devices.robot.tags]
serial_number = {{ address = "holding:128", type = "uint32" }}  # the proof: counts the answers

[devices.cnc]
link    = "cnc"
driver  = "modbus"
profile = "{cnc_map}"

[devices."meter-{{unit}}"]
link    = "rs485"
driver  = "modbus"
unit    = "1-4"
profile = "chint-dtsu666"
every   = "2 s"

[devices."meter-{{unit}}".tags]
serial_number = {{ address = "holding:0x3000", type = "uint32" }}

[devices.meter-5]
link    = "rs485"
driver  = "dlt645"
meter   = "{meter}"
profile = "dlt645-3p"
every   = "5 s"
"""


class Stage(Rig):
    """Everything, in one folder; `with` starts it and leaves nothing running."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, GATEWAY)
        self._line: Tee | None = None

    def __enter__(self) -> Self:
        super().__enter__()
        try:
            self._set_up()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        super().__exit__()
        if self._line is not None:
            self._line.__exit__()

    def _set_up(self) -> None:
        cnc_map = HERE / "cnc.toml"
        robot = self.simulate("robot", "universal-robots", "--counter", "holding:128")
        cnc = self.simulate("cnc", str(cnc_map), "--counter", "holding:0")
        modbus = self.simulate(
            "modbus-meters", "chint-dtsu666", "--name", "meter-{unit}", "--units", "1-4",
            "--dead", "4", "--counter", "holding:0x3000", pty=True,
        )  # fmt: skip
        dlt645 = self.simulate("dlt645-meter", "dlt645-3p", "--units", "5", pty=True)
        bus = self.folder / "bus"
        self._line = Tee(bus, [Path(modbus), Path(dlt645)])
        self._line.__enter__()
        self.config.write_text(
            _CONFIG.format(
                gateway=GATEWAY, relay=self.relay.port, robot=robot, cnc=cnc,
                cnc_map=cnc_map, bus=bus, meter=METER,
            ),
            encoding="utf-8",
        )  # fmt: skip
