"""The reference platform receiver: what a platform must do so that nothing is lost and nothing
doubled.

Theory of operation. A gateway opens one stream and says Hello. The receiver answers with what its
store holds (Welcome), so that the box sends only what is missing. From then on:

- A block is checked before memory is spent on it (`validate`): declared sizes against caps,
  CRC-32C, bounded decompression, structure against its catalog. A bad one is rejected with a
  reason and words; the box sets it aside. A good one goes to the store (`stores`), and only after
  the store's commit is it acknowledged.
- A name (gateway, epoch, seq) stands for one content for ever. The same block again is a
  duplicate: counted, acknowledged again, stored once. The same name with other content is a
  CONFLICT and changes nothing.
- A store that fails acknowledges nothing: the stream ends with UNAVAILABLE and the box keeps its
  blocks.

`session` is that conversation as a state machine without I/O; `server` gives it a gRPC stream and
a store. `decode`, `clock`, `export` and `audit` read the store back. This package shares only
`proto/` with the gateway.
"""
