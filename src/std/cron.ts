// Cron lines: read with what is wrong and what to write instead, and asked for their moments in a time zone.
//
// Five fields are minute, hour, day of month, month, day of week; six have the second first, as CloudNativePG's
// ScheduledBackup writes them. When the clocks change, a line with fixed hours still runs once for each of its times: a
// time that is skipped runs at the end of the gap, one that comes twice runs the first time. A line with a wildcard or a
// step in its hours or minutes follows the real time: it leaves the gap out and runs through the repeated hour twice.
import { Cron } from "croner";

export interface CronLine {
  /** Written with five fields (minute first) or six (second first); a nickname counts as five. */
  readonly fieldCount: 5 | 6;
  /** Two lines with the same canonical text run at the same moments. */
  readonly canonical: string;
  /** The first moment after `moment`; undefined when there is none. */
  readonly next: (moment: Date) => Date | undefined;
  /** The last moment that is not after `moment`. */
  readonly latest: (moment: Date) => Date | undefined;
}

export interface CronProblem {
  readonly problem: string;
  readonly hint: string;
}

const fields = [
  ["second", "one number from 0 to 59"],
  ["minute", "0-59"],
  ["hour", "0-23"],
  ["day of month", "1-31, L for the last day, 15W for the weekday nearest to the 15th"],
  ["month", "1-12 or JAN-DEC"],
  ["day of week", "0-7 or SUN-SAT, MON#1 for the first Monday of the month"],
] as const;

const nicknames: Readonly<Record<string, string>> = {
  "@hourly": "0 * * * *",
  "@daily": "0 0 * * *",
  "@midnight": "0 0 * * *",
  "@weekly": "0 0 * * 0",
  "@monthly": "0 0 1 * *",
  "@yearly": "0 0 1 1 *",
  "@annually": "0 0 1 1 *",
};

const usual = 'write five fields, as in "0 2 * * *" for every day at 02:00';
const lengthMax = 200;

/** Reads one line for a time zone that exists. */
export function readCron(written: string, timeZone: string): CronLine | CronProblem {
  const text = written.trim();
  if (text === "") return { problem: "empty", hint: usual };
  if (text.length > lengthMax) return { problem: `longer than ${lengthMax} characters`, hint: usual };
  if (/^(CRON_)?TZ=/i.test(text))
    return { problem: "a cron line has no time zone of its own", hint: "leave TZ= out and set timeZone" };
  if (text.startsWith("@")) return readNickname(text, timeZone);

  const parts = text.split(/\s+/);
  if (parts.length !== 5 && parts.length !== 6)
    return {
      problem: `${parts.length === 1 ? "1 field" : `${parts.length} fields`} instead of 5 or 6`,
      hint: parts.length === 7 ? `leave the year out: ${usual}` : usual,
    };
  const six = parts.length === 6 ? parts : ["0", ...parts];
  const wrong = six.findIndex((part, index) => !isField(part, index));
  if (wrong >= 0) return fieldProblem(six, wrong);
  return lineOf(six, parts.length, timeZone);
}

function readNickname(text: string, timeZone: string): CronLine | CronProblem {
  const meant = nicknames[text.toLowerCase()];
  if (meant !== undefined) return lineOf(["0", ...meant.split(" ")], 5, timeZone);
  const known = "known are @hourly, @daily, @weekly, @monthly and @yearly";
  if (!/^@every\b/i.test(text)) return { problem: `unknown name ${quote(text)}`, hint: known };
  return {
    problem: "@every counts from the operator's start, so it is not supported",
    hint: 'write the times instead, as in "0 */6 * * *" for every six hours',
  };
}

/** Whether one field can be read, whatever the others are. The second is one number, so that no line runs every few seconds. */
function isField(part: string, index: number): boolean {
  if (index === 0) return /^[0-5]?\d$/.test(part);
  const alone = fields.map((_, other) => (other === index ? part : other === 0 ? "0" : "*"));
  try {
    return new Cron(alone.join(" "), { mode: "6-part", paused: true }) instanceof Cron;
  } catch {
    return false;
  }
}

function fieldProblem(six: readonly string[], wrong: number): CronProblem {
  const part = six[wrong] ?? "";
  const [name, range] = fields[wrong] ?? fields[0];
  if (wrong > 0) return { problem: `${name} ${quote(part)} cannot be read`, hint: `write ${range}` };
  const fiveLeft = six.slice(1).join(" ");
  return {
    problem: `6 fields have the second first, and second ${quote(part)} is not ${range}`,
    hint: `write ${quote(`0 ${fiveLeft}`)}, or five fields with the minute first: ${quote(six.slice(0, 5).join(" "))}`,
  };
}

function lineOf(six: readonly string[], fieldCount: number, timeZone: string): CronLine {
  const cron = new Cron(six.join(" "), {
    mode: "6-part",
    timezone: timeZone,
    fixedTimeRule: "no-wildcard",
    paused: true,
  });
  return {
    fieldCount: fieldCount === 6 ? 6 : 5,
    canonical: six
      .map((part) =>
        part
          .toUpperCase()
          .replaceAll(/\b0+(?=\d)/g, "")
          .replace("?", "*"),
      )
      .join(" "),
    next: (moment) => cron.nextRun(moment) ?? undefined,
    // The library looks for moments before the one it is given, in whole seconds.
    latest: (moment) => cron.previousRuns(1, new Date(Math.floor(moment.getTime() / 1000) * 1000 + 1000))[0],
  };
}

export const isCronProblem = (reading: CronLine | CronProblem): reading is CronProblem => "problem" in reading;

const quote = (text: string): string => JSON.stringify(text.length > 60 ? `${text.slice(0, 59)}…` : text);
