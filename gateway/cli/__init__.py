"""The command line: `jiahe COMMAND`. One file a command, imported only when it is called.

main      options, language, dispatch, how errors end
context   what a command gets: language, configuration file, JSON or words; the way to the daemon
table     columns that line up with Chinese in them; ages and sizes for people; colour on a terminal
"""
