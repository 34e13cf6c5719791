"""One folder a protocol. `api` says what a driver is; `registry` finds one by name without importing the others."""
