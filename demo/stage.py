"""The stage of the demonstration: three machines, their configuration, and the process rig."""

from __future__ import annotations

from pathlib import Path
from typing import Self

from tests.kit.rig import Rig

HERE = Path(__file__).parent
GATEWAY = "demo-box"

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
"""


class Stage(Rig):
    """Everything, in one folder; `with` starts it and leaves nothing running."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, GATEWAY)

    def __enter__(self) -> Self:
        super().__enter__()
        try:
            self._set_up()
        except BaseException:
            self.__exit__()
            raise
        return self

    def _set_up(self) -> None:
        cnc_map = HERE / "cnc.toml"
        robot = self.simulate("robot", "universal-robots", "--counter", "holding:128")
        cnc = self.simulate("cnc", str(cnc_map), "--counter", "holding:0")
        bus = self.simulate(
            "bus", "chint-dtsu666", "--name", "meter-{unit}", "--units", "1-4", "--dead", "4",
            "--counter", "holding:0x3000", pty=True,
        )  # fmt: skip
        self.config.write_text(
            _CONFIG.format(
                gateway=GATEWAY, relay=self.relay.port, robot=robot, cnc=cnc,
                cnc_map=cnc_map, bus=bus,
            ),
            encoding="utf-8",
        )  # fmt: skip
