"""S7 communication with Siemens CPUs over ISO on TCP, port 102. Reading only.

    address    what an address means            types     how many bytes a type takes
    stretch    bytes of an area, and their cost  pack      the fewest requests that read them
    planner    the requests of a device          request   one of them, as native/s7 reads it
    check      what is wrong, offline            station   how a CPU is called
    simulator  a CPU, of its own code

Only reads exist here: nothing in this folder can write to a PLC.
"""
