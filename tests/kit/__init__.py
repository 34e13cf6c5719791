"""The test kit: real wires, peers and clocks for tests, also for authors of drivers."""
