"""Numbers of proto/jiahe/ingest/v1/ingest.proto that the scan loop writes: qualities, gap reasons,
encodings, features.

`tests/unit/test_native_reasons.py` holds them against the generated code.
"""

cdef enum:
    GOOD = 1
    UNCERTAIN = 64
    UNCERTAIN_OUT_OF_RANGE = 65
    UNCERTAIN_ANOTHER_ASKER = 66
    UNCERTAIN_SOURCE_DOUBTS = 67
    BAD = 128
    BAD_NO_ANSWER = 129
    BAD_LINK_DOWN = 130
    BAD_DAMAGED = 131
    BAD_WRONG_ANSWER = 132
    BAD_REFUSED = 133
    BAD_DEVICE_FAILURE = 134
    BAD_BUSY = 135
    BAD_GATEWAY = 136
    BAD_NOT_A_VALUE = 137
    BAD_NOT_ASKED = 138
    BAD_NO_VALUE = 139
    BAD_SOURCE_LOST = 140

cdef enum:
    GAP_OVERRUN = 1
    GAP_DEVICE_SILENT = 2
    GAP_LINK_DOWN = 3
    GAP_REPLANNED = 4
    GAP_MEMORY_FULL = 5
    GAP_REASONS = 6  # how many there are, with zero

cdef enum:
    ENCODING_INTEGER = 0
    ENCODING_DECIMAL = 1
    ENCODING_FLOAT32_BITS = 2
    ENCODING_FLOAT64_BITS = 3
    ENCODING_TEXT = 4
    ENCODING_FLOAT32 = 5
    ENCODING_FLOAT64 = 6

cdef enum:
    FEATURE_EVENTS = 2
    FEATURE_SOURCE_TIME = 4
    FEATURE_PLAIN_FLOATS = 5

cdef enum:
    COMPRESSION_NONE = 1
    COMPRESSION_ZSTD = 2
