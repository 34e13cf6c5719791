PROTOCOL: object
