// What a verification that was asked for says of a Stanza: its condition Verified, the event when damage is found, and what
// retention may not touch because of it. Pure.
import type { Stanza } from "#api/gen/stanza.ts";
import { destinationOf } from "../backup/status.ts";
import type { Verdict } from "../verdict.ts";
import type { Status } from "./terms.ts";

type Verification = NonNullable<Status["verification"]>;
type Shown = NonNullable<Status["conditions"]>;

const messageMax = 2_000;

/** None before a verification was asked for. Damage stays found until another one comes to a verdict. */
export function verified(stanza: Stanza, verification: Verification | undefined): readonly Verdict[] {
  if (verification === undefined) return [];
  const { state, message = "", stoppedAt } = verification;
  const stated = (verdict: Omit<Verdict, "type">): readonly Verdict[] => [
    { type: "Verified", ...verdict, message: verdict.message.slice(0, messageMax) },
  ];
  const shown = shownIn(stanza.status?.conditions);
  const damaged = damagedIn(stanza, verification);
  if (damaged.length > 0) {
    const told = state === "Failed" ? message : shown?.status === "False" ? shown.message : "";
    return stated({
      status: "False",
      reason: "VerificationFailed",
      message: told === "" ? `damage was found in ${damaged.join(", ")}` : told,
    });
  }
  if (state === "Failed")
    return stated({
      status: "Unknown",
      reason: "NotChecked",
      message: "the repository in which damage was found is none of this Stanza any more: verify it again",
    });
  if (state === "Passed")
    return stated({
      status: "True",
      reason: "Succeeded",
      message: `${stoppedAt === undefined ? "" : `at ${stoppedAt}: `}${message}`,
    });
  if (state === "Unknown") return stated({ status: "Unknown", reason: "NotChecked", message });
  if (shown?.status === "True") return stated({ status: "True", reason: "Succeeded", message: shown.message });
  return stated({ status: "Unknown", reason: "Progressing", message: message || "the verification begins" });
}

/** What is told once: damage that was not known at the look before. */
export const newDamage = (conditions: Shown | undefined, verdicts: readonly Verdict[]): Verdict | undefined =>
  shownIn(conditions)?.status === "False"
    ? undefined
    : verdicts.find(({ type, status }) => type === "Verified" && status === "False");

/** Why retention removes nothing from a repository: what it would remove may be all that is left whole. */
export const damageIn = (stanza: Stanza, verification: Verification | undefined, location: string) =>
  verification !== undefined && damagedIn(stanza, verification).includes(location)
    ? "the last verification found damage in it (Verified is False): remove or mend what is damaged, and verify again"
    : undefined;

/** The Stanza's repositories, by place, since a number may come to stand for another one. */
export function placesOf(object: Stanza): readonly string[] {
  const { s3Repositories = [], azureRepositories = [] } = object.spec.stanzaConfiguration;
  return [...s3Repositories, ...azureRepositories].flatMap(
    (_, index) => destinationOf({ kind: "Stanza", object }, index + 1).destinationPath ?? [],
  );
}

/** All of them where the verdict does not say in which. */
function damagedIn(stanza: Stanza, { state, damaged }: Verification): readonly string[] {
  const places = placesOf(stanza);
  if (damaged === undefined) return state === "Failed" ? places : [];
  return places.filter((place) => damaged.includes(place));
}

const shownIn = (conditions: Shown = []) => conditions.find(({ type }) => type === "Verified");
