"""Modbus Security (Modbus/TCP Security Protocol Specification v21): the functions of a TCP port,
through the system's OpenSSL. Both sides show a certificate, TLS is 1.2 or newer; neither can be
switched off.

Each link has a context, built outside the loop from three PEM files, and again when they change:
the new one waits in `fresh` until the loop's next connection takes it. Each connection has a
session. OpenSSL reads and writes through a BIO of our own, because its socket BIO would raise
SIGPIPE, and would ask the kernel again after each answer, although a short read shows that nothing
is left.

OpenSSL may hold decrypted records while the socket is not readable, so reading goes on until
nothing comes (`packets`). A peer that floods us, for example with session tickets, is read a little
at a time and hung up on in the end, so that its neighbours lose no time. A peer that wants a key
update but does not read is stuck, like one that takes no request.
"""

from cpython.pycapsule cimport PyCapsule_GetPointer
from libc.errno cimport EAGAIN, ECONNRESET, EIO, ENOTCONN, EPIPE
from libc.stdint cimport uint8_t
from libc.string cimport memcpy

from native.wire.openssl cimport (
    BIO,
    BIO_METHOD,
    ERR_clear_error,
    SSL,
    SSL_CTX,
    SSL_CTX_free,
    SSL_ERROR_SSL,
    SSL_ERROR_WANT_READ,
    SSL_ERROR_WANT_WRITE,
    SSL_connect,
    SSL_free,
    SSL_get_cipher_name,
    SSL_get_error,
    SSL_get_version,
    SSL_is_init_finished,
    SSL_new,
    SSL_read,
    SSL_set_bio,
    SSL_shutdown,
    SSL_write,
    BIO_free,
    alive,
    context_of,
    count,
    exchange,
    expect,
    fault_of,
    subject_of,
    wire_bio,
    wire_method,
    wire_t,
)
from native.wire.sockets cimport net_close, net_connected, net_open, no_count
from native.wire.transport cimport (
    TLS_FAILED,
    TLS_FILES,
    TLS_HUNG_UP,
    WAIT_READ,
    WAIT_WRITE,
    ops_t,
    port_t,
)

import ipaddress
import os


cdef enum:
    NAME_ROOM = 256  # a name has 253 characters at most: RFC 1035 section 2.3.4
    SUBJECT_ROOM = 160
    # Records without data, such as session tickets, cost the peer next to nothing but us
    # arithmetic. How many bytes are read in one turn, and how many in a row without data.
    READ_BYTES = 2048
    SHAKE_BYTES = 16384
    EMPTY_BYTES = 65536


cdef struct session_t:
    wire_t wire
    SSL_CTX *context
    SSL_CTX *fresh        # of files that changed; the next connection takes it
    SSL *ssl              # NULL: no connection, or no handshake yet
    bint heard            # the peer has sent data: it accepted our certificate
    int empty             # bytes since its last data
    bint broken           # nothing may be sent on it any more
    bint named            # `host` is a name, not an address
    char host[NAME_ROOM]
    # For `describe`, in another thread: the pointers are to constants of OpenSSL, the subject is
    # written before the first answer and seldom changes.
    const char *version
    const char *cipher
    const char *detail    # of the last failure
    char subject[SUBJECT_ROOM]


cdef BIO_METHOD *METHOD = wire_method()


# ---- What failed


cdef int failure(session_t *s, int kind) noexcept nogil:
    """errno or TLS_* of a call that failed for good; `kind`: its SSL_get_error."""
    s.broken = True
    if kind == SSL_ERROR_SSL:
        return fault_of(s.ssl, &s.detail)
    # The peer hung up. A missing close_notify does not matter: each answer says its length.
    if not s.heard and (s.wire.error in (0, ECONNRESET, EPIPE)):
        return TLS_HUNG_UP
    return s.wire.error if s.wire.error else ECONNRESET


# ---- The functions of the port


cdef bint begin(session_t *s) noexcept nogil:
    """Makes a session on the connected socket; False: no memory."""
    cdef BIO *bio = wire_bio(METHOD, &s.wire)
    if bio == NULL:
        return False
    s.ssl = SSL_new(s.context)
    if s.ssl == NULL:
        BIO_free(bio)
        return False
    count(1)
    SSL_set_bio(s.ssl, bio, bio)
    return expect(s.ssl, s.host, s.named) == 1


cdef int tls_open(port_t *p) noexcept nogil:
    cdef session_t *s = <session_t *>p.session
    cdef SSL_CTX *fresh = exchange(&s.fresh, NULL)
    if fresh != NULL:
        drop_context(s.context)
        s.context = fresh
    if s.context == NULL:
        return -TLS_FILES
    return net_open(p)


cdef int tls_finish(port_t *p) noexcept nogil:
    cdef session_t *s = <session_t *>p.session
    cdef int result
    ERR_clear_error()
    if s.ssl == NULL:
        result = net_connected(p)
        if result:
            return result
        s.wire.fd, s.wire.drained, s.wire.error = p.fd, 0, 0
        s.heard = s.broken = False
        s.empty = 0
        if not begin(s):
            return -TLS_FAILED
    s.wire.left = SHAKE_BYTES
    result = SSL_connect(s.ssl)
    if result == 1:
        s.wire.drained = 0
        subject_of(s.ssl, s.subject, SUBJECT_ROOM)
        s.cipher = SSL_get_cipher_name(s.ssl)
        s.version = SSL_get_version(s.ssl)
        s.detail = NULL
        return 0
    result = SSL_get_error(s.ssl, result)
    if result == SSL_ERROR_WANT_READ:
        return WAIT_READ
    if result == SSL_ERROR_WANT_WRITE:
        return WAIT_WRITE
    return -failure(s, result)


cdef ssize_t tls_read(port_t *p, uint8_t *buffer, size_t room) noexcept nogil:
    cdef session_t *s = <session_t *>p.session
    cdef int n
    if s.ssl == NULL:
        return -ENOTCONN
    ERR_clear_error()
    s.wire.left = READ_BYTES
    n = SSL_read(s.ssl, buffer, <int>room)
    if n > 0:
        s.heard = True
        s.empty = 0
        return n
    n = SSL_get_error(s.ssl, n)
    if n == SSL_ERROR_WANT_WRITE:
        return -EIO
    if n != SSL_ERROR_WANT_READ:
        return -failure(s, n)
    s.empty += READ_BYTES - s.wire.left
    if s.empty > EMPTY_BYTES:
        s.broken = True
        s.detail = "records without data, one after another"
        return -TLS_FAILED
    return 0 if s.wire.left else -EAGAIN


cdef ssize_t tls_write(port_t *p, const uint8_t *data, size_t size) noexcept nogil:
    cdef session_t *s = <session_t *>p.session
    cdef uint8_t scrap[16]
    cdef ssize_t answer
    cdef int n
    if s.ssl == NULL:
        return -ENOTCONN
    ERR_clear_error()
    n = SSL_write(s.ssl, data, <int>size)
    if n > 0:
        return n
    n = SSL_get_error(s.ssl, n)
    if n == SSL_ERROR_WANT_READ or n == SSL_ERROR_WANT_WRITE:
        return 0
    n = failure(s, n)
    if n == TLS_HUNG_UP:
        # With TLS 1.3 a peer refuses us after our handshake has ended: its alert must be read.
        answer = tls_read(p, scrap, sizeof(scrap))
        if answer < 0 and answer != -EAGAIN:
            n = <int>-answer
    return -n


cdef void tls_discard(port_t *p) noexcept nogil:
    cdef uint8_t scrap[512]
    cdef int _round
    for _round in range(16):
        if tls_read(p, scrap, sizeof(scrap)) <= 0:
            return


cdef void tls_close(port_t *p) noexcept nogil:
    cdef session_t *s = <session_t *>p.session
    if s.ssl != NULL:
        ERR_clear_error()
        if not s.broken and SSL_is_init_finished(s.ssl):
            SSL_shutdown(s.ssl)  # sends close_notify; we don't wait for the peer's
        SSL_free(s.ssl)
        count(-1)
        s.ssl = NULL
    s.version = NULL
    net_close(p)


cdef void drop_context(SSL_CTX *context) noexcept nogil:
    if context != NULL:
        SSL_CTX_free(context)
        count(-1)


cdef ops_t OPS
OPS.open, OPS.finish, OPS.read, OPS.write = tls_open, tls_finish, tls_read, tls_write
OPS.packets = True
OPS.flush, OPS.close, OPS.counters = tls_discard, tls_close, no_count


# ---- As Python sees it


cdef object version_of(path):
    """What tells versions of a file apart; None: there is no such file."""
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_ino, found.st_size, found.st_mtime_ns


cdef class Secured:
    """Turns a TCP port into one with TLS: `spec.tls` are the files, `spec.host` the peer. If the
    files can't be used, opening the port fails with that.

    Raises ValueError for a host that is too long for a name.
    """

    cdef session_t s
    cdef tuple paths
    cdef object versions  # of the files as they were read
    cdef bint usable

    def __cinit__(self, spec):
        host = spec.host.partition("%")[0]  # an address without its zone
        try:
            ipaddress.ip_address(host)
        except ValueError:
            self.s.named = True
        name = host.encode("ascii", "replace")
        if not 0 < len(name) < NAME_ROOM:
            raise ValueError(f"no name of a host: {host!r}")
        memcpy(self.s.host, <const char *>name, len(name))
        self.paths = tuple(
            os.fsencode(path) for path in (spec.tls.ca, spec.tls.cert, spec.tls.key)
        )
        self.renew()

    def __dealloc__(self):
        drop_context(self.s.context)
        drop_context(exchange(&self.s.fresh, NULL))

    def attach(self, port) -> None:
        """Gives TLS to a closed port, a capsule of its port_t. It must not outlive this object."""
        cdef port_t *p = <port_t *>PyCapsule_GetPointer(port, "port_t")
        p.session = &self.s
        p.ops = &OPS

    def renew(self) -> bool:
        """Reads the files if they have changed; returns whether they can be used. Until they can,
        the ones read before stay in use. Call it from one thread at a time; the loop may run.
        """
        cdef SSL_CTX *made
        versions = [version_of(path) for path in self.paths]
        if versions == self.versions:
            return self.usable
        cdef const char *ca = self.paths[0]
        cdef const char *cert = self.paths[1]
        cdef const char *key = self.paths[2]
        with nogil:
            made = context_of(ca, cert, key)
            ERR_clear_error()
        if made != NULL:
            count(1)
            drop_context(exchange(&self.s.fresh, made))
        self.versions, self.usable = versions, made != NULL
        return self.usable

    def describe(self) -> dict:
        """gateway.report.snapshot.TlsSnapshot. Any thread."""
        version, detail = self.s.version, self.s.detail
        up = version != NULL
        return {
            "version": version.decode() if up else None,
            "cipher": self.s.cipher.decode() if up else None,
            "peer": self.s.subject.decode("utf-8", "replace") if up else None,
            "files_usable": self.usable,
            "detail": detail.decode() if detail != NULL else "",
        }


def living() -> int:
    """Contexts and sessions that were not freed."""
    return alive
