"""The reference platform receiver: what a platform must do so that nothing is lost and nothing
doubled.

Theory of operation. A gateway opens one stream and says Hello. The receiver answers with what its
store holds (Welcome), so that the box sends only what is missing. From then on:

- Tag sets and catalogs are named by their content, kept as bytes, and compiled once (`catalog`);
  `layouts` are what a revision of an epoch means.
- A block, or a bundle of them, is checked before memory is spent on it (`check`, `check_run`,
  `columns`): declared sizes against caps, bounded decompression, CRC-32C, structure against its
  layout. Checks take turns by gateway (`desk`). A bad one is rejected with a reason and words, and
  the box keeps it. A good one goes to the store (`stores`), and only after the store's commit is it
  acknowledged.
- A name (gateway, epoch, seq) stands for one content for ever. The same block again is a
  duplicate: counted, acknowledged again, stored once. The same name with other content is a
  CONFLICT and changes nothing.
- A store that fails acknowledges nothing: the stream ends with UNAVAILABLE and the box keeps its
  blocks.

`session` is that conversation as a state machine without I/O. `stream` and `server` give it gRPC
and a store; `inline` drives it in the calling thread, for a file (`importing`) or a simulation.
`samples`, `clock`, `chain`, `spans` and `audit` read the store back. This package shares only
`proto/` with the gateway.
"""
