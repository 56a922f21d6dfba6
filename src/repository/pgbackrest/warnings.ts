// Takes pgBackRest's remarks about its environment off what it was asked for. From 2.53 on it prints a line for each
// variable that it does not know to the standard output, before it has read that nothing is to be logged there; the
// variables of a Stanza may name options of a later version. (pgBackRest: src/config/parse.c, logInit before the options)
import { Transform } from "node:stream";

const remark = /^P\d+ +WARN: /;

export const isRemark = (line: string): boolean => remark.test(line);

/** Of an answer in text. */
export const withoutRemarks = (text: string): string => text.replace(/^(?:P\d+ +WARN: [^\n]*\n)+/, "");

/** A line that is not over within this is no remark. */
const lineMax = 4096;
const newline = 0x0a;

/** Of an answer in bytes: no file that is read begins as a remark does. */
export function remarksOff(): Transform {
  let head: Buffer | undefined = Buffer.alloc(0);
  /** What follows the remarks, or undefined while that cannot be told. */
  const settle = (isEnd: boolean): Buffer | undefined => {
    let rest = head ?? Buffer.alloc(0);
    for (;;) {
      const line = rest.subarray(0, lineMax);
      const end = line.indexOf(newline);
      const isOpen = end < 0 && line.length < lineMax && !isEnd;
      if (isOpen && (line.length < 12 || isRemark(line.toString("latin1")))) {
        head = rest;
        return undefined;
      }
      if (end < 0 || !isRemark(line.subarray(0, end).toString("latin1"))) return rest;
      rest = rest.subarray(end + 1);
    }
  };
  return new Transform({
    transform(chunk: Buffer, _encoding, done) {
      if (head === undefined) return done(null, chunk);
      head = Buffer.concat([head, chunk]);
      const rest = settle(false);
      if (rest === undefined) return done();
      head = undefined;
      done(null, rest);
    },
    flush(done) {
      const rest = head === undefined ? undefined : settle(true);
      done(null, rest);
    },
  });
}
