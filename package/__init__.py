"""Makes the Debian packages of the box and of the receiver, on any Debian, for any of its targets.

`sysroot` fetches what the target's Debian is made of; `compiler` compiles C for it; `wheels` takes
the locked dependencies for it; `content` lays out what each package holds; `pages` makes its manual
and its completion from the programs' own arguments; `sbom` tells what is inside; `deb` packs it.
Nothing of the machine that builds gets into a package: the same sources make the same bytes.
"""
