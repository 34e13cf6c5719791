// A Modbus server made of npm's modbus-serial, for the tests: the table in a file, over TCP.
//
//   node modbus_serial_server.js TABLE     any free port of 127.0.0.1, said as "ready PORT"
"use strict";

const fs = require("node:fs");
const { ServerTCP } = require("modbus-serial");

const table = { holding: new Map(), input: new Map(), coil: new Map(), discrete: new Map() };
for (const line of fs.readFileSync(process.argv[2], "ascii").split("\n")) {
  const [space, address, value] = line.split(" ");
  if (space) table[space].set(Number(address), Number(value));
}

const vector = {
  getHoldingRegister: (address) => table.holding.get(address) ?? 0,
  getInputRegister: (address) => table.input.get(address) ?? 0,
  getCoil: (address) => table.coil.get(address) === 1,
  getDiscreteInput: (address) => table.discrete.get(address) === 1,
};

// The port is a string because modbus-serial takes the number 0 for "not given".
const server = new ServerTCP(vector, { host: "127.0.0.1", port: "0", unitID: 1 });
server.on("initialized", () => {
  process.stdout.write(`ready ${server._server.address().port}\n`);
});
server.on("socketError", () => {}); // a client that resets is no reason to end
