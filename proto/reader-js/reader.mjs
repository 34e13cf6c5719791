// Reads an export file: node reader.mjs FILE. The rules are in ../README.md.
// Prints an entry a line: [seq, device, tag, boot time in ns, source's time or "0", value or null, quality].
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { inflateSync } from "node:zlib";
import { decompress } from "fzstd";
import protobuf from "protobufjs";

const proto = fileURLToPath(new URL("../jiahe/ingest/v1/ingest.proto", import.meta.url));
const root = protobuf.loadSync(proto).lookup("jiahe.ingest.v1");
const UINT = 3, FLOAT32 = 4, TEXT_TYPE = 6, TYPES = 10; // ValueType
const DECIMAL = 1, FLOAT32_BITS = 2, FLOAT64_BITS = 3, TEXT = 4, PLAIN = 5, ENCODINGS = 7; // ValueEncoding
const BAD = 128; // Quality: from here on there is no value
const FEATURES = new Set([1, 2, 3, 4, 5]); // of `needs`, those that are read here
const UNPACK = { 1: (bytes) => bytes, 2: decompress, 3: inflateSync };
const big = (long) => BigInt(long.toString());
const parse = (type, bytes) => root.lookupType(type).decode(bytes);
const repeat = (runs, what) => runs.flatMap((run) => Array(run.count).fill(what(run)));
const running = (steps) => steps.map(((sum) => (step) => (sum += step))(0));

function know(known, number) {
  if (!known) throw new Error(`unsupported: ${number}`);
}

/** `order` running sums of the numbers, continued with zeros to `count`, modulo 2^64, signed. */
function integrate(numbers, order, count) {
  const sums = Array.from({ length: count }, (_, i) => (i < numbers.length ? big(numbers[i]) : 0n));
  for (let turn = 0; turn < order; turn++) {
    for (let i = 1; i < count; i++) sums[i] += sums[i - 1];
  }
  return sums.map((sum) => BigInt.asIntN(64, sum));
}

/** A decimal number in text as [mantissa, exponent]. */
function decimal(text) {
  const [digits, exponent = "0"] = text.toLowerCase().split("e");
  const [whole, fraction = ""] = digits.split(".");
  return [BigInt(whole + fraction), Number(exponent) - fraction.length];
}

/** raw x scale + offset, exactly, as plain decimal text without trailing zeros. */
function scaled(raw, scale, offset) {
  const [m, e] = decimal(raw), [ms, es] = decimal(scale || "1"), [mo, eo] = decimal(offset || "0");
  const exponent = Math.min(e + es, eo, 0);
  const sum = m * ms * 10n ** BigInt(e + es - exponent) + mo * 10n ** BigInt(eo - exponent);
  const digits = (sum < 0n ? -sum : sum).toString().padStart(1 - exponent, "0");
  const point = digits.length + exponent;
  const fraction = digits.slice(point).replace(/0+$/, "");
  return (sum < 0n ? "-" : "") + digits.slice(0, point) + (fraction && "." + fraction);
}

/** The decimal of the fewest digits that reads back as the same float32. */
function shortest32(number) {
  for (let digits = 1; digits < 9; digits++) {
    const text = number.toPrecision(digits);
    if (Math.fround(Number(text)) === number) return text;
  }
  return number.toPrecision(9);
}

/** The raw number behind a float's column, as text. */
function floating(tag, real) {
  return scaled(tag.type === FLOAT32 ? shortest32(real) : String(real), tag.scale, tag.offset);
}

function value(tag, column, number) {
  const view = new DataView(new ArrayBuffer(8));
  view.setBigInt64(0, number);
  if (column.encoding === FLOAT32_BITS) return floating(tag, view.getFloat32(4));
  if (column.encoding === FLOAT64_BITS) return floating(tag, view.getFloat64(0));
  if (column.encoding === DECIMAL) {
    const real = Number(`${number}e-${column.digits}`);
    return floating(tag, tag.type === FLOAT32 ? Math.fround(real) : real);
  }
  const raw = tag.type === UINT ? BigInt.asUintN(64, number) : number;
  return scaled(raw.toString(), tag.scale, tag.offset);
}

/** The values of the `count` entries that have one. */
function values(tag, column, count) {
  know(tag.type > 0 && tag.type < TYPES, tag.type);
  know(column.encoding < ENCODINGS, column.encoding);
  if (column.encoding === TEXT) {
    const text = new TextDecoder(tag.textEncoding || "ascii", { fatal: true });
    const read = (bytes) => tag.type === TEXT_TYPE
      ? text.decode(Uint8Array.from(bytes)) : Buffer.from(bytes).toString("hex");
    return repeat(column.texts, (run) => read(run.text));
  }
  if (column.encoding >= PLAIN) {
    return [...column.floats, ...column.doubles].map((real) => floating(tag, real));
  }
  return integrate(column.values, column.order, count).map((n) => value(tag, column, n));
}

/** Each entry as [row, source's time, value, quality]. */
function* entries(tag, column, count, parts) {
  const rows = column.sparse ? running(column.rows) : [...Array(count).keys()];
  const own = column.quality.length || column.sparse || !parts.length;
  const said = repeat(own ? column.quality : parts[tag.part].quality, (run) => run.quality);
  const quality = said.length ? said : rows.map(() => 1);
  const source = integrate(column.sourceTimeNs, column.sourceTimeOrder, rows.length);
  const left = values(tag, column, quality.filter((one) => one < BAD).length).values();
  for (const [at, one] of quality.entries()) {
    yield [rows[at], source[at].toString(), one < BAD ? left.next().value : null, one];
  }
}

/** Which block tick k of a run, or event k, belongs to: the shares of a bundle's, in order. */
function owner(firstSeq, shares, k) {
  const at = running(shares.map(Number)).findIndex((end) => k < end);
  return Number(firstSeq) + Math.max(at, 0);
}

/** The numbers from `first` on that are in no gap, counted from 0. */
function present(first, count, gaps) {
  const found = [], end = first + count;
  let number = first;
  for (const gap of [...gaps, { firstTick: end, count: 0n }]) {
    for (; number < big(gap.firstTick); number++) found.push(Number(number - first));
    number = big(gap.firstTick) + big(gap.count);
  }
  return found;
}

function* readRun(group, tags, run, firstSeq) {
  const ticks = present(big(run.firstTick), big(run.ticks), run.skipped);
  const late = integrate(run.lateUs, run.lateOrder, ticks.length), due = big(run.firstDueNs);
  const time = (row) => due + BigInt(ticks[row]) * big(group.periodNs) + late[row] * 1000n;
  const seqs = ticks.map((tick) => owner(firstSeq, run.blockTicks, tick));
  for (const [i, tag] of ticks.length ? tags.entries() : []) {
    for (const [row, ...entry] of entries(tag, run.columns[i], ticks.length, run.parts)) {
      yield [seqs[row], group.device, tag.name, time(row).toString(), ...entry];
    }
  }
  for (const events of run.events) {
    const numbers = present(big(events.first), big(events.count), events.lost);
    const offsets = integrate(events.timeUs, events.timeOrder, numbers.length);
    const seqs = numbers.map((number) => owner(firstSeq, events.blockEvents, number));
    for (const pushed of events.columns) {
      const tag = tags[pushed.tag];
      for (const [row, ...entry] of entries(tag, pushed.column, numbers.length, [])) {
        const at = (due + offsets[row] * 1000n).toString();
        yield [seqs[row], group.device, tag.name, at, ...entry];
      }
    }
  }
}

/** Every entry of the blocks and bundles among the messages, which come in a stream's order. */
export function* read(messages) {
  const contents = new Map(), groups = new Map(); // by name; by epoch and id
  const name = (content) => createHash("sha256").update(content).digest("hex").slice(0, 32);
  let whole = Buffer.alloc(0); // of a message in pieces
  for (let message of messages) {
    if (message.piece) {
      whole = Buffer.concat([whole.subarray(0, message.piece.offset), message.piece.data]);
      if (whole.length < message.piece.messageSize) continue;
      message = parse("StreamRequest", whole);
    }
    const made = message.tagSet ?? message.catalog, one = message.block ?? message.bundle;
    if (made?.content.length) contents.set(name(made.content), made.content);
    if (message.catalog) {
      const id = Buffer.from(message.catalog.id).toString("hex");
      const catalog = parse("CatalogContent", contents.get(id));
      for (const need of catalog.needs) know(FEATURES.has(need), need);
      for (const group of catalog.groups) groups.set(`${message.catalog.epoch}/${group.id}`, group);
    }
    if (!one) continue;
    for (const need of one.needs) know(FEATURES.has(need), need);
    know(one.compression in UNPACK, one.compression);
    const type = message.block ? "BlockPayload" : "BundlePayload";
    const payload = parse(type, UNPACK[one.compression](one.payload));
    for (const run of payload.runs) {
      const group = groups.get(`${one.epoch}/${run.group}`);
      const set = contents.get(Buffer.from(group.tagSet).toString("hex"));
      const { tags, needs } = parse("TagSetContent", set);
      for (const need of needs) know(FEATURES.has(need), need);
      yield* readRun(group, tags, run, big(message.block ? one.seq : one.firstSeq));
    }
  }
}

/** The messages of an export file, up to its end or to where it was cut. */
export function* messages(file) {
  const bytes = readFileSync(file);
  if (bytes.subarray(0, 8).toString() !== "JIAHEEX1") throw new Error(`${file} is no export file`);
  for (let at = 8, size; (size = bytes.readUInt32LE(at)); at += 8 + size) {
    yield parse("StreamRequest", bytes.subarray(at + 8, at + 8 + size));
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  for (const entry of read(messages(process.argv[2]))) console.log(JSON.stringify(entry));
}
