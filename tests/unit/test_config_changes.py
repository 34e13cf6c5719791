"""Whether the files are still those that the daemon was started with."""

from __future__ import annotations

from pathlib import Path

from gateway.config.changes import Files


def _files(folder: Path) -> tuple[Path, Path, Files]:
    main, more = folder / "gateway.toml", folder / "conf.d" / "10-more.toml"
    more.parent.mkdir()
    main.write_text("version = 1\n", "utf-8")
    more.write_text("# more\n", "utf-8")
    return main, more, Files(main, (main, more))


def test_files_when_as_they_were_then_nothing_changed(tmp_path: Path) -> None:
    *_, files = _files(tmp_path)
    assert files.changed() == []


def test_files_when_other_gone_or_new_then_named(tmp_path: Path) -> None:
    main, more, files = _files(tmp_path)
    main.write_text("version = 1 # edited\n", "utf-8")
    assert files.changed() == ["gateway.toml"]
    more.unlink()
    more.with_name("20-new.toml").touch()
    assert files.changed() == ["10-more.toml", "20-new.toml", "gateway.toml"]


def test_files_when_replaced_by_an_editor_then_changed(tmp_path: Path) -> None:
    main, _, files = _files(tmp_path)
    copy = main.with_name("copy")
    copy.write_text("version = 2\n", "utf-8")
    copy.rename(main)
    assert files.changed() == ["gateway.toml"]
