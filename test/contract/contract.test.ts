import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type BackendKind, FEATURES, type Feature } from '../../src/backends/index.ts';
import { missingForRun } from '../integration/busybox-image.ts';
import { lacksPrograms } from '../support/host.ts';
import type { Contract } from './contract.ts';
import { FEATURE_CASES } from './features/index.ts';
import { describeOperations } from './operations.ts';
import { openSubject, type Subject } from './subject.ts';
import { openSurroundings, type Surroundings } from './surroundings.ts';

const PROGRAMS: Readonly<Partial<Record<BackendKind, readonly string[]>>> = { native: [] };

const reason = missingForRun();
if (reason !== undefined) console.warn(`SKIPPED the contract of backends: ${reason}`);
const cannotRun = reason !== undefined || lacksPrograms('the contract of backends', ['docker-registry', 'git']);

describe.skipIf(cannotRun)('the contract of backends', () => {
  let around: Surroundings;
  beforeAll(async () => {
    around = await openSurroundings();
  });
  afterAll(() => around.close());

  for (const [kind, programs] of Object.entries(PROGRAMS) as ReadonlyArray<[BackendKind, readonly string[]]>) {
    describe.skipIf(lacksPrograms(`the contract of ${kind}`, programs))(kind, () => {
      let subject: Subject;
      let count = 0;
      const opened: Subject[] = [];
      const open = async (): Promise<Subject> => {
        count += 1;
        const next = await openSubject(around, { kind, root: join(around.root, `${kind}-${count}`), env: {} });
        opened.push(next);
        return next;
      };
      const contract = (): Contract => {
        count += 1;
        const base = `${around.registry}/busybox:latest`;
        return { subject, around, base, nonce: `n${kind.replace('-', '')}${count}`, another: open };
      };
      beforeAll(async () => {
        subject = await open();
        expect(
          await subject.backend.isAvailable({ signal: new AbortController().signal, emit: () => undefined }),
        ).toMatchObject({
          available: true,
        });
      });
      afterAll(async () => {
        for (const each of opened) await each.close();
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
            if (reason === true) return observe(now, asked);
            const refusal = feature === 'plan' ? subject.plan(asked) : subject.build(asked);
            const error = await refusal.then(
              () => expect.fail(`${feature} was not refused`),
              (thrown) => thrown as Error,
            );
            expect(error).toMatchObject({ code: 'UNSUPPORTED' });
            expect(error.message).toContain(FEATURES[feature]);
            expect(error.message).toContain(kind);
            expect(error.message).toContain(reason);
          },
        );
      });

      describeOperations(contract);
    });
  }
});
