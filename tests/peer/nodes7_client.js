// Reads addresses from an S7 CPU with npm's nodes7, for the tests.
//
//   node nodes7_client.js PORT RACK SLOT ADDRESS...   one line of JSON: {ADDRESS: value}; exit 1: no connection
"use strict";

const NodeS7 = require("nodes7");

const [port, rack, slot, ...addresses] = process.argv.slice(2);
const client = new NodeS7({ silent: true });
client.initiateConnection(
  { host: "127.0.0.1", port: Number(port), rack: Number(rack), slot: Number(slot), timeout: 5000 },
  (error) => {
    if (error !== undefined) {
      process.stderr.write(`${JSON.stringify(error)}\n`);
      process.exit(1);
    }
    client.setTranslationCB((tag) => tag);
    client.addItems(addresses);
    client.readAllItems((bad, values) => {
      process.stdout.write(`${JSON.stringify({ bad, values })}\n`);
      client.dropConnection(() => process.exit(0));
    });
  },
);
