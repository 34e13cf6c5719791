// Reads one block: node reader.mjs CATALOG.bin BLOCK.bin. The rules are in ../README.md.
// Prints an entry a line: [device, tag, boot time in ns, value or null, quality].
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { inflateSync } from "node:zlib";
import { decompress } from "fzstd";
import protobuf from "protobufjs";

const proto = fileURLToPath(new URL("../jiahe/ingest/v1/ingest.proto", import.meta.url));
const root = protobuf.loadSync(proto).lookup("jiahe.ingest.v1");
const UINT64 = 7, FLOAT32 = 8, STRING = 12; // ValueType
const DECIMAL = 1, FLOAT32_BITS = 2, FLOAT64_BITS = 3; // ValueEncoding
const BAD = 128; // Quality: from here on there is no value
const UNPACK = { 1: (bytes) => bytes, 2: decompress, 3: inflateSync };
const big = (long) => BigInt(long.toString());

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

function value(tag, column, number) {
  let raw = (tag.type === UINT64 ? BigInt.asUintN(64, number) : number).toString();
  const view = new DataView(new ArrayBuffer(8));
  view.setBigInt64(0, number);
  if (column.encoding === DECIMAL) raw = String(Number(`${number}e-${column.digits}`));
  if (column.encoding === FLOAT32_BITS) raw = String(view.getFloat32(4));
  if (column.encoding === FLOAT64_BITS) raw = String(view.getFloat64(0));
  if (tag.type === FLOAT32) raw = shortest32(Math.fround(Number(raw)));
  return scaled(raw, tag.scale, tag.offset);
}

const repeat = (runs, what) => runs.flatMap((run) => Array(run.count).fill(what(run)));

function* readRun(group, run) {
  const first = big(run.firstTick), due = [];
  let tick = first;
  for (const gap of [...run.skipped, { firstTick: first + big(run.ticks), count: 0n }]) {
    const stop = big(gap.firstTick);
    for (; tick < stop; tick++) due.push(big(run.firstDueNs) + (tick - first) * big(run.periodNs));
    tick = stop + big(gap.count);
  }
  const late = integrate(run.lateUs, run.lateOrder, due.length);
  if (due.length === 0) return; // a run without rows may have no columns
  for (const [i, tag] of group.tags.entries()) {
    const column = run.columns[i];
    let row = 0;
    const rows = column.sparse ? column.rows.map((step) => (row += step)) : [...due.keys()];
    const runs = repeat(column.quality, (run) => run.quality);
    const quality = runs.length ? runs : rows.map(() => 1);
    const text = new TextDecoder(tag.textEncoding || "ascii", { fatal: true });
    const good = quality.filter((one) => one < BAD).length;
    const values = (tag.type === STRING
      ? repeat(column.texts, (run) => text.decode(Uint8Array.from(run.text)))
      : integrate(column.values, column.order, good).map((n) => value(tag, column, n))
    ).values();
    for (const [at, one] of quality.entries()) {
      const time = due[rows[at]] + late[rows[at]] * 1000n;
      yield [group.device, tag.name, time.toString(), one < BAD ? values.next().value : null, one];
    }
  }
}

export function* read(catalogBytes, blockBytes) {
  const catalog = root.lookupType("Catalog").decode(catalogBytes);
  const block = root.lookupType("Block").decode(blockBytes);
  const bytes = UNPACK[block.compression](block.payload);
  const groups = new Map(catalog.groups.map((group) => [group.id, group]));
  for (const run of root.lookupType("BlockPayload").decode(bytes).runs) {
    yield* readRun(groups.get(run.group), run);
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const [catalog, block] = process.argv.slice(2).map((name) => readFileSync(name));
  for (const entry of read(catalog, block)) console.log(JSON.stringify(entry));
}
