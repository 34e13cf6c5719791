"""Whatever a port may bring, into the engine and the protocol of a link: what a fuzzer calls.

Pairs of bytes say how many of the next bytes come at once, and how much later. What must hold is
what a story must hold: no wrong memory (a build with sanitizers sees that), nothing that is due for
ever, and each tick accounted once.
"""

from libc.stdint cimport int32_t, int64_t, uint8_t
from libc.stdlib cimport abort

from native.engine.connection cimport DOWN
from native.engine.link cimport Link
from native.engine.rig cimport (
    rig_begin,
    rig_dialled,
    rig_due,
    rig_end,
    rig_feed,
    rig_finish,
    rig_look,
    rig_next,
    rig_open,
    rig_pass,
    rig_t,
)
from native.rows.group import Pool
from native.wire.transport cimport DIALIN
from tests.stories.plans import fuzzed

cdef extern from *:
    """
    #include <dlfcn.h>
    typedef int (*fuzzed_t)(const uint8_t *data, size_t size);
    /* libFuzzer's own loop, where it is in the process (tests/stories/fuzzing.py); else NULL. */
    static int run_driver(int *count, char ***words, fuzzed_t one)
    {
        int (*driver)(int *, char ***, fuzzed_t);
        *(void **)&driver = dlsym(RTLD_DEFAULT, "LLVMFuzzerRunDriver");
        return driver == NULL ? -1 : driver(count, words, one);
    }
    """
    int run_driver(int *, char ***, int (*)(const uint8_t *, size_t) noexcept) noexcept

cdef enum:
    SPINS_MAX = 100000

cdef extern from *:
    """
    #define START INT64_C(1000000000)
    """
    int64_t START

cdef str target = ""
cdef object pool = Pool()


cdef bint live(rig_t *r, int64_t until) noexcept nogil:
    """Let time pass; False: something is due for ever."""
    cdef int32_t spins = 0
    while rig_next(r) <= until:
        rig_pass(r, max(r.now, rig_next(r)))
        rig_due(r)
        rig_look(r)
        r.sent_size = 0
        spins += 1
        if spins > SPINS_MAX:
            return False
    rig_pass(r, max(r.now, until))
    return True


cdef bint feed_all(rig_t *r, const uint8_t *p, size_t n) noexcept nogil:
    cdef size_t at = 0, size
    while at + 2 <= n:
        size = min(<size_t>p[at] * (1 if p[at + 1] & 1 else 4), n - at - 2)
        if not live(r, r.now + <int64_t>p[at + 1] * 400000):
            return False
        if r.l.port.kind == DIALIN and r.l.conn.state == DOWN:
            rig_dialled(r)
        rig_feed(r, p + at + 2, size)
        at += 2 + size
    return live(r, r.now + 1000000000)


cdef bint accounted(const rig_t *r) noexcept nogil:
    cdef int32_t i
    for i in range(r.l.member_count):
        if r.l.members[i].g.next_tick != r.l.members[i].g.ticks_due:
            return False
    return True


def one(str kind, bytes data) -> None:
    """One input. Raises AssertionError for a broken promise."""
    cdef rig_t r
    cdef Link link = fuzzed(kind, pool)
    cdef bint is_well
    if not rig_begin(&r, &link.l, START):
        raise MemoryError
    try:
        rig_open(&r)
        is_well = feed_all(&r, data, <size_t>len(data))
        rig_finish(&r)
        assert is_well, "something is due for ever"
        assert accounted(&r), "a tick is not accounted"
    finally:
        rig_end(&r)


cdef int called(const uint8_t *p, size_t n) noexcept:
    try:
        one(target, p[:n])
    except BaseException as error:
        print(repr(error), flush=True)
        abort()
    return 0


def drive(str kind, list words) -> int:
    """libFuzzer's loop with its own `words` (-max_total_time=20, a corpus). It ends the process."""
    global target
    cdef char *arguments[16]
    cdef char **vector = arguments
    cdef int count = 0
    kept = [b"fuzz", *(word.encode() for word in words)]
    target = kind
    for word in kept[:15]:
        arguments[count] = word
        count += 1
    arguments[count] = NULL
    return run_driver(&count, &vector, called)
