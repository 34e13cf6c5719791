"""What the daemon says of itself: the snapshot behind `status`, why something is wrong, the lines
of the journal, live values. It reads the other rooms, and none of them waits for it.
"""
