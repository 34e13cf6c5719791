from native.engine.tap cimport tap_t

cdef tap_t *new_tap() except NULL
cdef void look(tap_t *t, bint on)
cdef tuple taken(tap_t *t)
