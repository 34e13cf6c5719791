"""`python -m gateway.cli` is `jiahe`."""

import sys

from gateway.cli.main import main

sys.exit(main())
