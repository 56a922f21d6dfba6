import { describe, expect, it } from "vitest";
import {
  formatSidecarConfig,
  parseSidecarConfig,
  sidecarConfigName,
  sidecarDefaults,
  sidecarSettingsOfStanza,
} from "./sidecar-config.ts";

const configMap = (data: Readonly<Record<string, string>>) => ({ metadata: { name: sidecarConfigName }, data });

describe("the sidecar's configuration in its ConfigMap", () => {
  it("comes back as it was written", () => {
    const config = {
      ...sidecarDefaults,
      image: "i:1",
      imagePullPolicy: "Always",
      env: [{ name: "A", value: "b" }],
      logLevel: "debug" as const,
    };
    expect(parseSidecarConfig(configMap(formatSidecarConfig(config)))).toEqual(config);
  });

  it("gets defaults for what an older version did not write, and for a log level that is none", () => {
    const text = JSON.stringify({ image: "i:1", logLevel: "loud" });
    expect(parseSidecarConfig(configMap({ "sidecar.json": text }))).toEqual({ ...sidecarDefaults, image: "i:1" });
  });

  it.each(["", "null", "{", '{"image": ""}', '{"image": 1}', "[]"])("is absent in %j", (text) => {
    expect(parseSidecarConfig(configMap({ "sidecar.json": text }))).toBeUndefined();
  });

  it("is absent in an empty ConfigMap", () => {
    expect(parseSidecarConfig({ metadata: { name: sidecarConfigName } })).toBeUndefined();
  });
});

describe("a Stanza's settings of the sidecar", () => {
  it("are those of its own section, and the spool's volume from beside archiving", () => {
    const spool = { size: "2Gi", storageClass: "fast" };
    const instanceSidecarConfiguration = { logLevel: "debug" as const, env: [{ name: "A", value: "b" }] };
    const stanzaConfiguration = { name: "main", archive: { async: true, spool } };
    expect(sidecarSettingsOfStanza({ spec: { stanzaConfiguration, instanceSidecarConfiguration } })).toEqual({
      ...instanceSidecarConfiguration,
      spool,
    });
    expect(sidecarSettingsOfStanza({ spec: { stanzaConfiguration: { name: "main" } } })).toEqual({});
  });
});
