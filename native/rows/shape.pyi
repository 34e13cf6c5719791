TYPES: dict[str, int]
ORDERS: dict[str, int]
STORE_BYTES_MAX: int
VALUE_BYTES_MAX: int
TEXT_BYTES_MAX: int
ROWS_MAX: int
