"""DL/T 645: frames of electricity meters."""
