// A client of a listener: the messages of the npm package iso_8583 over a socket.
//
// usage: client.js HOST:PORT      answers each line {"mti","fields"} of standard input with what the listener answered
'use strict';

const net = require('node:net');
const readline = require('node:readline');
const Message = require('iso_8583');

// The package's own table of elements, with bitmaps in hex characters. It then always writes both bitmaps.
const formats = {1: {ContentType: 'an', Label: 'Bitmap', LenType: 'fixed', MaxLen: 16}};
const PRIMARY_END = 2 + 4 + 16;

function encode({mti, fields}) {
  const frame = new Message({0: mti, ...fields}, formats).getBufferMessage();
  if (frame.error) throw new Error(`iso_8583 cannot write the ${mti}: ${frame.error}`);
  return frame;
}

// It also takes 32 characters of bitmap for granted when it reads, where a message whose elements all lie in the first
// sixty-four has sixteen: such a message is given a second bitmap with nothing in it.
function withBothBitmaps(frame) {
  const hasSecond = parseInt(frame.toString('latin1', 6, 7), 16) >= 8;
  if (hasSecond) return frame;
  return Buffer.concat([frame.subarray(0, PRIMARY_END), Buffer.from('0'.repeat(16)), frame.subarray(PRIMARY_END)]);
}

function decode(frame) {
  const {0: mti, ...fields} = new Message(null, formats).getIsoJSON(withBothBitmaps(frame), {bitmapEncoding: 'utf8'});
  if (fields.error) throw new Error(`iso_8583 cannot read the answer: ${fields.error}`);
  return {mti, fields};
}

// Whole frames of a socket: two bytes of length, then so many.
async function* frames(socket) {
  let rest = Buffer.alloc(0);
  for await (const chunk of socket) {
    rest = Buffer.concat([rest, chunk]);
    while (rest.length >= 2 && rest.length >= 2 + rest.readUInt16BE()) {
      const end = 2 + rest.readUInt16BE();
      yield rest.subarray(0, end);
      rest = rest.subarray(end);
    }
  }
}

async function main() {
  const [host, port] = process.argv[2].split(':');
  const socket = net.connect(Number(port), host);
  socket.setTimeout(15_000, () => socket.destroy(new Error('no answer in time')));
  const heard = frames(socket);
  for await (const line of readline.createInterface({input: process.stdin})) {
    socket.write(encode(JSON.parse(line)));
    const {value, done} = await heard.next();
    if (done) throw new Error('the listener closed the connection');
    console.log(JSON.stringify(decode(value)));
  }
  socket.destroy();
}

main().catch((fault) => {
  console.error(fault.message);
  process.exit(1);
});
