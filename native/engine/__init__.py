"""Links and their scans: when each request goes out, what comes of it, the thread that waits."""
