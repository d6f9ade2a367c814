/** Variables at one point of a stage. */
export interface Variables {
  readonly get: (name: string) => string | undefined;
  readonly names: () => Iterable<string>;
}

/** Records assignments in order. A snapshot stays as it is when more are made: all of them share one record. */
export interface VariableLog {
  readonly set: (name: string, value: string) => void;
  readonly snapshot: () => Variables;
}

interface Assignment {
  readonly version: number;
  readonly value: string;
}

export const NO_VARIABLES: Variables = { get: () => undefined, names: () => [] };

/** Copies of a map for each step would cost memory by the square of the steps. */
export function createVariableLog(inherited: Variables = NO_VARIABLES): VariableLog {
  const assignments = new Map<string, Assignment[]>();
  let version = 0;
  return {
    set: (name, value) => {
      const earlier = assignments.get(name);
      const assignment = { version: ++version, value };
      if (earlier === undefined) assignments.set(name, [assignment]);
      else earlier.push(assignment);
    },
    snapshot: () => {
      const until = version;
      return {
        get: (name) => lastBefore(assignments.get(name), until)?.value ?? inherited.get(name),
        names: () => namesUntil(assignments, { until, inherited }),
      };
    },
  };
}

function lastBefore(assignments: readonly Assignment[] | undefined, until: number): Assignment | undefined {
  let low = 0;
  let high = assignments?.length ?? 0;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (assignments![middle]!.version <= until) low = middle + 1;
    else high = middle;
  }
  return assignments?.[low - 1];
}

function* namesUntil(
  assignments: ReadonlyMap<string, readonly Assignment[]>,
  { until, inherited }: { readonly until: number; readonly inherited: Variables },
): Iterable<string> {
  for (const name of inherited.names())
    if (!assignments.has(name) || assignments.get(name)![0]!.version > until) yield name;
  for (const [name, [first]] of assignments) if (first!.version <= until) yield name;
}
