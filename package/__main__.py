"""`make deb`: a .deb for each kind of processor, into dist/; `make bundle`: the offline bundle."""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from drivers.simulate_words import parser_in as sim_parser
from gateway import __version__
from gateway.cli.main import parser_in as box_parser
from ingest.main import parser_in as receiver_parser
from package import bundle, content, deb, pages, sbom
from package.compiler import CompileError
from package.sysroot import MirrorError
from package.target import ARCHITECTURES, SUITES, Target

PARSERS = {"jiahe": box_parser, "jiahe-sim": sim_parser, "jiahe-ingest": receiver_parser}


def main() -> int:
    options = _options()
    try:
        for name in options.package or content.PRODUCTS:
            product = content.PRODUCTS[name]
            for arch in options.arch or ARCHITECTURES:
                if arch in product.architectures:
                    target = Target(SUITES[options.suite], arch)
                    made = build(product, target, options.into)
                    _told(made)
                    if options.bundle and product is content.BOX:
                        epoch = deb.epoch_of_sources()
                        _told(bundle.make(target, made, options.into, options.key, epoch))
    except (MirrorError, CompileError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


def _told(made: Path) -> None:
    sys.stdout.write(f"{made} {made.stat().st_size / 1e6:.1f} MB\n")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make deb", description=__doc__)
    parser.add_argument("--arch", action="append", choices=ARCHITECTURES)
    parser.add_argument("--package", action="append", choices=content.PRODUCTS)
    parser.add_argument("--suite", default="bookworm", choices=SUITES)
    parser.add_argument("--into", type=Path, default=Path("dist"))
    parser.add_argument("--bundle", action="store_true", help="also the offline bundle of the box")
    parser.add_argument("--key", type=Path, help="of ssh-keygen, which signs the bundle")
    return parser.parse_args()


def build(product: content.Product, target: Target, into: Path) -> Path:
    """The package. Raises MirrorError and CompileError."""
    epoch = deb.epoch_of_sources()
    version = deb.version_of(__version__, target)
    date = datetime.fromtimestamp(epoch, UTC)
    with tempfile.TemporaryDirectory(prefix="jiahe-package-") as folder:
        tree, work = Path(folder, "tree"), Path(folder, "work")
        tree.mkdir()
        work.mkdir()
        printed = partial(_page, date=f"{date:%Y-%m-%d}")
        wheels = content.lay_out(product, target, tree, work, printed)
        bill = sbom.bill(product.name, version, target.arch, wheels, f"{date:%Y-%m-%dT%H:%M:%SZ}")
        share = tree / "usr/share" / product.name
        share.mkdir(exist_ok=True)
        (share / "sbom.cdx.json").write_text(bill, encoding="utf-8")
        deb.paperwork(product, target, tree, wheels, __version__, epoch)
        made = deb.pack(tree, Path(folder), f"{product.name}_{version}_{target.arch}", epoch)
        into.mkdir(parents=True, exist_ok=True)
        return Path(shutil.move(made, into / made.name))


def _page(program: str, kind: str, *, date: str) -> bytes:
    """A program's manual in `en` or `zh`, or its `completion`."""
    if kind == "completion":
        return pages.completion(PARSERS[program]("en")).encode()
    return pages.manual(PARSERS[program](kind), kind, __version__, date).encode()


if __name__ == "__main__":
    sys.exit(main())
