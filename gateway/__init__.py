"""The daemon: configuration, supervision, buffer, uplink, local control, command line."""

__version__ = "0.1.0"
