"""S7 communication over ISO on TCP."""
