"""What people write, out of habit from other gateways or in Chinese, and what it is called here."""

#: Full-width signs, as a Chinese input method types them, and what is meant.
FULL_WIDTH = {
    "“": '"', "”": '"', "„": '"', "‘": "'", "’": "'", "、": ",", "。": ".", "【": "[", "】": "]",
    "\u3000": " ", "\u00a0": " ", "\u200b": " ", "\ufeff": " ",
    **{chr(code): chr(code - 0xFEE0) for code in range(0xFF01, 0xFF5F)},
}  # fmt: skip

#: Values, in lower case. Names of types are those of IEC 61131-3 and of C: a plain "float" or
#: "real" has 32 bits, a plain "int" or "word" 16, whatever else they resemble.
VALUE_SYNONYMS = {
    "float": "float32", "real": "float32", "single": "float32", "浮点": "float32",
    "浮点数": "float32", "单精度": "float32", "double": "float64", "lreal": "float64",
    "双精度": "float64", "int": "int16", "short": "int16", "word": "uint16", "uint": "uint16",
    "ushort": "uint16", "dint": "int32", "long": "int32", "dword": "uint32", "udint": "uint32",
    "ulong": "uint32", "lint": "int64", "ulint": "uint64", "lword": "uint64", "bit": "bool",
    "boolean": "bool", "开关量": "bool", "布尔": "bool", "text": "string",
    "str": "string", "字符串": "string", "sint": "int8", "usint": "uint8", "byte": "uint8",
    "date_and_time": "date_time", "dt": "date_time",
    "整数": "int16", "整型": "int16", "无符号整数": "uint16", "长整数": "int32", "双整数": "int32",
    "实数": "float32", "浮点型": "float32", "布尔量": "bool", "位": "bool", "文本": "string",
    "e": "even", "偶": "even", "偶校验": "even", "o": "odd", "奇": "odd", "奇校验": "odd",
    "n": "none", "无": "none", "无校验": "none", "8e1": "even", "8o1": "odd", "8n1": "none",
    "8n2": "none", "7e1": "even", "1234": "ABCD", "3412": "CDAB", "2143": "BADC", "4321": "DCBA",
    "modbus-rtu": "rtu", "modbus rtu": "rtu", "rtu over tcp": "rtu", "rtu-over-tcp": "rtu",
    "modbus ascii": "ascii", "modbus tcp": "tcp", "mbap": "tcp",
    "rs485": "serial", "rs-485": "serial", "rs232": "serial", "rs-232": "serial", "rtu": "serial",
    "com": "serial", "串口": "serial", "ethernet": "tcp", "modbus-tcp": "tcp", "以太网": "tcp",
    "网口": "tcp", "dtu": "listen", "tcp-server": "listen", "tcp_server": "listen",
    "监听": "listen", "拨入": "listen",
    "big": "ABCD", "little": "DCBA", "中文": "zh", "cn": "zh", "english": "en",
    "changes": "change", "on_change": "change", "变化": "change", "全部": "all",
}  # fmt: skip

#: Units of durations and sizes.
UNIT_SYNONYMS = {
    "微秒": "us", "毫秒": "ms", "秒": "s", "秒钟": "s", "分": "min", "分钟": "min", "时": "h",
    "小时": "h", "天": "days", "日": "days", "sec": "s", "second": "s", "seconds": "s", "m": "min",
    "minute": "min", "minutes": "min", "hour": "h", "hours": "h", "d": "days", "msec": "ms",
    "k": "kB", "kb": "kB", "mb": "MB", "gb": "GB", "g": "GB", "兆": "MB",
}  # fmt: skip

SYNONYMS = {
    "slave": "unit", "slave_id": "unit", "slaveid": "unit", "station": "unit", "unit_id": "unit",
    "address_id": "unit", "站号": "unit", "从站": "unit", "从站地址": "unit", "设备地址": "unit",
    "baudrate": "baud", "baud_rate": "baud", "speed": "baud", "bps": "baud", "波特率": "baud",
    "stopbits": "stop_bits", "stop": "stop_bits", "停止位": "stop_bits",
    "bytesize": "data_bits", "databits": "data_bits", "数据位": "data_bits",
    "校验": "parity", "校验位": "parity", "奇偶校验": "parity",
    "interval": "every", "poll": "every", "period": "every", "poll_interval": "every",
    "scan_rate": "every", "cycle": "every", "周期": "every", "间隔": "every", "采集周期": "every",
    "device": "devices", "link": "links", "设备": "devices", "链路": "links",
    "serial": "links", "channels": "links", "port_name": "port", "tty": "port", "串口": "port",
    "path": "port", "host": "address", "ip": "address", "url": "address", "地址": "address",
    "endpoint": "address", "server": "address", "register": "address", "寄存器": "address",
    "template": "profile", "model": "profile", "模板": "profile", "型号": "profile",
    "protocol": "driver", "协议": "driver", "驱动": "driver", "mode": "framing",
    "datatype": "type", "data_type": "type", "类型": "type", "数据类型": "type",
    "byte_order": "order", "byteorder": "order", "endian": "order", "word_order": "order",
    "字节序": "order", "factor": "scale", "multiplier": "scale", "ratio": "scale", "倍率": "scale",
    "系数": "scale", "偏移": "offset", "units": "unit", "单位": "unit", "dead_band": "deadband",
    "死区": "deadband", "enum": "labels", "mapping": "labels", "decimals": "resolution",
    "invalid": "no_value", "na": "no_value", "nan": "no_value", "null_value": "no_value",
    "无效值": "no_value",
    "长度": "length", "len": "length", "超时": "timeout", "delay": "pause", "gap": "pause",
    "名称": "id", "name": "id", "gateway_id": "id", "lang": "language", "语言": "language",
    "points": "tags", "registers": "tags", "点表": "tags", "标签": "tags",
    "points_file": "tags_file",
    "csv": "tags_file", "uplink": "platform", "平台": "platform", "server_address": "address",
    "ca_file": "ca", "cert_file": "cert", "key_file": "key", "cache": "buffer", "缓存": "buffer",
    "size": "max_size", "max_bytes": "max_size", "retention": "keep_for", "flush": "flush_every",
    "batch": "send_every", "max_inflight": "in_flight", "inflight": "in_flight",
    "网关": "gateway", "现场": "site", "监听": "listen", "监听地址": "listen",
    "registration": "register", "注册包": "register", "heart_beat": "heartbeat",
    "心跳": "heartbeat", "心跳包": "heartbeat",
}  # fmt: skip
