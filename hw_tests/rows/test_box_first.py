"""From the package to good values at the platform."""

from __future__ import annotations

import pytest

from hw_tests.rows.conftest import Row


@pytest.mark.short
def test_box_when_installed_then_values_read_through_two_adapters_are_at_the_platform(
    row: Row,
) -> None:
    stage = row.stage
    links = stage.guest.do("ls /dev/serial/by-id /dev/jiahe")
    assert "JH0001" in links and "com1" in links
    stage.start()
    took_s = stage.wait_good()
    stage.wait_scans(50)
    listening = stage.guest.do("ss -Hltnp")
    assert "jiahe" not in listening, listening
    row.settle("none: 50 scans", f"good values {took_s:.0f} s after the start; listening ports: 0")
