// A Modbus server made of npm's modbus-serial, for the tests: the table in a file, over TCP or a port.
//
//   node modbus_serial_server.js TABLE             any free port of 127.0.0.1, said as "ready PORT"
//   node modbus_serial_server.js TABLE PORT BAUD   RTU on the serial port, "ready" once it is open
"use strict";

const fs = require("node:fs");
const { ServerSerial, ServerTCP } = require("modbus-serial");

const [file, path, baud] = process.argv.slice(2);
const table = { holding: new Map(), input: new Map(), coil: new Map(), discrete: new Map() };
for (const line of fs.readFileSync(file, "ascii").split("\n")) {
  const [space, address, value] = line.split(" ");
  if (space) table[space].set(Number(address), Number(value));
}

const vector = {
  getHoldingRegister: (address) => table.holding.get(address) ?? 0,
  getInputRegister: (address) => table.input.get(address) ?? 0,
  getCoil: (address) => table.coil.get(address) === 1,
  getDiscreteInput: (address) => table.discrete.get(address) === 1,
};

// The TCP port is a string because modbus-serial takes the number 0 for "not given".
const server = path
  ? new ServerSerial(vector, { path, baudRate: Number(baud), unitID: 1 })
  : new ServerTCP(vector, { host: "127.0.0.1", port: "0", unitID: 1 });
server.on("initialized", () => {
  process.stdout.write(path ? "ready\n" : `ready ${server._server.address().port}\n`);
});
server.on("socketError", () => {}); // a client that resets is no reason to end
