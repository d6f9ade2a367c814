import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type BackendKind, FEATURES, type Feature } from '../../src/backends/index.ts';
import { missingForRun } from '../integration/busybox-image.ts';
import { lacksPrograms } from '../support/host.ts';
import { type Contract, QUIET } from './contract.ts';
import { FEATURE_CASES } from './features/index.ts';
import { describeOperations } from './operations.ts';
import { type Ask, openSubject, type Subject } from './subject.ts';
import { openSurroundings, type Surroundings } from './surroundings.ts';

function isMissing(kind: BackendKind, programs: readonly string[]): boolean {
  const reason = missingForRun();
  if (reason !== undefined) console.warn(`SKIPPED the contract of ${kind}: ${reason}`);
  return reason !== undefined || lacksPrograms(`the contract of ${kind}`, ['docker-registry', 'git', ...programs]);
}

/** The contract over one backend, with stores of its own and what stands around it. */
export function describeContract(kind: BackendKind, programs: readonly string[] = []): void {
  describe.skipIf(isMissing(kind, programs))(`the contract of ${kind}`, () => {
    let around: Surroundings;
    let subject: Subject;
    let count = 0;
    const opened: Subject[] = [];
    const open = async (): Promise<Subject> => {
      count += 1;
      const next = await openSubject(around, { kind, root: join(around.root, `${kind}-${count}`) });
      opened.push(next);
      return next;
    };
    const contract = (): Contract => {
      count += 1;
      const base = `${around.registry}/busybox:latest`;
      return { subject, around, base, nonce: `n${count}`, another: open };
    };
    beforeAll(async () => {
      around = await openSurroundings();
      subject = await open();
      const found = await subject.backend.isAvailable(QUIET);
      expect(found, JSON.stringify(found)).toEqual({ available: true, details: expect.any(String) });
    });
    afterAll(async () => {
      for (const each of opened) await each.close();
      await around.close();
    });

    it('calls itself by its name', () => {
      expect(subject.backend.name).toBe(kind);
    });

    describe('features', () => {
      it.each(Object.keys(FEATURES) as readonly Feature[])(
        '%s: has its effect, or is refused by name',
        async (feature) => {
          const now = contract();
          const { ask, observe } = FEATURE_CASES[feature];
          const asked = ask(now);
          const reason = subject.backend.capabilities[feature];
          if (reason === true) await observe(now, asked);
          else await expectRefusal(now, { feature, asked, reason });
        },
      );
    });

    describeOperations(contract);
  });
}

interface Refused {
  readonly feature: Feature;
  readonly asked: Ask;
  readonly reason: string;
}

async function expectRefusal({ subject }: Contract, { feature, asked, reason }: Refused): Promise<void> {
  const refusal: Promise<unknown> = feature === 'plan' ? subject.plan(asked) : subject.build(asked);
  const error = await refusal.then(
    () => expect.fail(`${feature} was not refused`),
    (thrown) => thrown as Error,
  );
  expect(error).toMatchObject({ code: 'UNSUPPORTED' });
  for (const part of [FEATURES[feature], subject.backend.name, reason]) expect(error.message).toContain(part);
}
