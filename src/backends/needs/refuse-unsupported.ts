import { BuildError } from '../../core/index.ts';
import type { BackendKind } from '../selection/kinds.ts';
import { type Capabilities, FEATURES, type Feature } from './features.ts';
import type { Need } from './needs.ts';

/** A backend with what it can do. */
export interface Capable {
  readonly name: BackendKind;
  readonly capabilities: Capabilities;
}

/**
 * Refuses what a backend cannot do, all of it in one error, with the others that could do everything that is asked for.
 *
 * @throws BuildError `UNSUPPORTED`
 */
export async function refuseUnsupported(
  backend: Capable,
  needs: readonly Need[],
  others: () => Promise<readonly Capable[]>,
): Promise<void> {
  const lacking = needs.flatMap((need) => {
    const reason = backend.capabilities[need.feature];
    return reason === true ? [] : [{ ...need, reason }];
  });
  if (lacking.length === 0) return;
  const able = (await others()).filter(({ name, capabilities }) =>
    name === backend.name ? false : needs.every(({ feature }) => capabilities[feature] === true),
  );
  const [first] = lacking;
  const told = lacking.map(({ reason, ...need }) => `${askedFor(need)}: ${reason}`);
  const message =
    told.length === 1
      ? `The backend ${backend.name} cannot honour ${told[0]}.`
      : `The backend ${backend.name} cannot honour ${told.length} things that are asked for. ${told.map((text) => `${text}.`).join(' ')}`;
  throw new BuildError('UNSUPPORTED', message, {
    hint: hintOf(lacking, able),
    location: lacking.find(({ location }) => location !== undefined)?.location ?? first?.location,
  });
}

/** A feature as the user wrote it: an option, or an instruction with its line. */
function askedFor({ feature, location }: Need): string {
  if (location === undefined) return FEATURES[feature];
  return `${FEATURES[feature]} (${location.fileName}:${location.range.start.line})`;
}

function hintOf(lacking: ReadonlyArray<{ readonly feature: Feature }>, able: readonly Capable[]): string {
  const without = lacking.length === 1 ? 'it' : 'them';
  if (able.length === 0) return `No other backend of this host can do all that is asked for: leave ${without} out.`;
  return `Leave ${without} out, or build with --backend ${able.map(({ name }) => name).join(' or --backend ')}.`;
}
