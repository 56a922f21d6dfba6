// The port over repositories that the image's pgBackRest filled by hand, each file by itself as is its default.
import { openArchive } from "./pgbackrest-archive.ts";
import { imageProgram, usePgbackrest } from "./pgbackrest-fixture.ts";
import { repositorySuite } from "./repository.suite.ts";

const fixture = usePgbackrest();
const program = imageProgram();

repositorySuite(`pgbackrest ${program.version}`, () => openArchive(fixture, { program }));
