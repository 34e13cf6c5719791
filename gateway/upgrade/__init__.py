"""`jiahe upgrade`: a signed bundle is installed, watched, and put back unless it is healthy.

Theory of operation
===================

`bundle` verifies the file; `keep` makes a package of what is installed now, so that it can be put
back; `steps` says what comes next, and does nothing itself; `box` is the world that it acts on:
dpkg, systemd, a folder; `runner` is the process that does it, as a unit of its own: neither the end
of a session nor of the daemon ends it, and after a power cut it goes on at boot.

    install ──▶ watch ──▶ watching ──healthy──▶ confirmed
       │          ▲          │ │
       │          └──power──-┘ └─not healthy─┐       └─ cut short three times ─┐
       └─dpkg refuses─────────▶ restore ◀────┴────────────────────────────────┘
                                   └──▶ undone, or after three tries: stuck

Each step is durable before it is begun, and may be done again: dpkg takes the same package twice.
The runner uses no file of the package that it replaces: it is a copy in its own folder, and so is
its unit in /etc/systemd/system. The folder is root's alone: who may write there could install.
"""
