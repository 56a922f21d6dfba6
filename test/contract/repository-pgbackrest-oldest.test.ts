// The port over repositories that the oldest supported pgBackRest filled by hand, small files packed together.
import { pgbackrestPrograms } from "../cluster/pgbackrest.ts";
import { openArchive } from "./pgbackrest-archive.ts";
import { usePgbackrest } from "./pgbackrest-fixture.ts";
import { repositorySuite } from "./repository.suite.ts";

const fixture = usePgbackrest();
const [program] = pgbackrestPrograms() as [ReturnType<typeof pgbackrestPrograms>[0]];

repositorySuite(`pgbackrest ${program.version}`, () => openArchive(fixture, { program, isQuick: true }));
