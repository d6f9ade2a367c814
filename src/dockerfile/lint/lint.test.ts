import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { describe, expect, it } from 'vitest';
import { parseIgnoreFile } from '../ignore/ignore-file.ts';
import { createIgnoreMatcher } from '../ignore/ignore-matcher.ts';
import { parseDockerfile } from '../parse.ts';
import { lintDockerfile } from './lint.ts';
import { LINT_RULES } from './rules.ts';
import type { LintOptions, LintResult } from './types.ts';

const ROOT = resolve(import.meta.dirname, '../../..');

function lint(text: string, options: LintOptions = {}): LintResult {
  return lintDockerfile(parseDockerfile(text, { fileName: 'Dockerfile' }), options);
}

function rulesOf({ findings }: LintResult): readonly string[] {
  return findings.map(({ rule }) => rule);
}

function fence(page: string, language: string, nth = 0): string | undefined {
  return [...page.matchAll(new RegExp(`\`\`\`${language}\\n([\\s\\S]*?)\`\`\``, 'g'))][nth]?.[1];
}

/** What the page says about the build around its examples. */
function optionsOf(page: string): LintOptions {
  const ignoreText = fence(page, 'dockerignore');
  const command = fence(page, 'console');
  return {
    variablesOfImage: () => ['PATH'],
    platformOfImage: (image) => ({
      actual: { os: 'linux', architecture: image.includes('arm-only') ? 'arm64' : 'amd64' },
      wanted: { os: 'linux', architecture: 'amd64' },
    }),
    ...(ignoreText === undefined
      ? {}
      : { ignore: createIgnoreMatcher(parseIgnoreFile(ignoreText, { fileName: '.dockerignore' })) }),
    ...(command === undefined ? {} : { secrets: [...command.matchAll(/--secret id=([^,\s]+)/g)].map(([, id]) => id!) }),
  };
}

describe('lintDockerfile()', () => {
  describe.each(LINT_RULES.map((rule) => [rule.name, rule] as const))('%s', (name) => {
    const page = pageOf(name);
    it('has a page whose first example is found and whose second is fine', () => {
      const text = readFileSync(join(ROOT, page), 'utf8');
      expect(text.startsWith(`# ${name}\n`)).toBe(true);
      const options = optionsOf(text);
      const found = lint(fence(text, 'dockerfile', 0)!, options).findings.filter(({ rule }) => rule === name);
      expect(found.length).toBeGreaterThan(0);
      for (const { page: named, message, hint } of found) {
        expect(named).toBe(page);
        expect(message.length).toBeGreaterThan(10);
        expect(hint).toBeDefined();
      }
      expect(rulesOf(lint(fence(text, 'dockerfile', 1)!, options))).not.toContain(name);
    });
  });

  it('has a page for nothing but rules', () => {
    const pages = readdirSync(join(ROOT, 'docs/checks')).filter((name) => name !== 'README.md');
    expect(pages.map((name) => `docs/checks/${name}`).sort()).toEqual(
      LINT_RULES.map(({ name }) => pageOf(name)).sort(),
    );
    // A formatter may align the columns of the table.
    const index = readFileSync(join(ROOT, 'docs/checks/README.md'), 'utf8').replace(/ +/g, ' ');
    for (const { name, summary } of LINT_RULES)
      expect(index).toContain(`| [${name}](${pageOf(name).slice(12)}) | ${summary} |`);
  });

  it('points at the word that is meant', () => {
    const [finding] = lint('FROM scratch\nENV a=b \\\n  password=x').findings;
    expect(finding!.location!.range).toEqual({ start: { line: 3, column: 3 }, end: { line: 3, column: 13 } });
  });
  it('names file and line of the ignore rule that hides a source', () => {
    const ignore = createIgnoreMatcher(parseIgnoreFile('a\n\n*.env\n!b.env\n', { fileName: 'my.dockerignore' }));
    const { findings } = lint('FROM scratch\nCOPY x.env b.env /', { ignore });
    expect(findings.map(({ message }) => message)).toEqual([
      '"x.env" cannot be copied: the rule "*.env" in line 3 of my.dockerignore hides it.',
    ]);
    expect(findings).toMatchObject([
      {
        hint: 'Remove line 3 of my.dockerignore, or add "!x.env" below it.',
        related: { fileName: 'my.dockerignore', range: { start: { line: 3 } } },
      },
    ]);
  });
  it('fails only where the file asks for it, and never for advice', () => {
    expect(lint('# check=error=true\nFROM debian').violations).toEqual([]);
    expect(lint('# check=error=true\nFROM debian AS A').violations).toEqual(['StageNameCasing']);
    expect(lint('FROM debian AS A').violations).toEqual([]);
  });
  it('takes the build argument in place of the directive', () => {
    const buildArgs = { BUILDKIT_DOCKERFILE_CHECK: 'skip=all' };
    expect(lint('# check=error=true\nFROM debian as A', { buildArgs })).toEqual({ findings: [], violations: [] });
  });
  it('refuses an unknown check option and points at it', () => {
    expect(() => lint('# check=skpi=all\nFROM scratch')).toThrow(
      expect.objectContaining({
        code: 'DOCKERFILE_INVALID',
        location: expect.objectContaining({ range: { start: { line: 1, column: 9 }, end: { line: 1, column: 17 } } }),
      }),
    );
  });
  it('skips a rule for one instruction', () => {
    expect(rulesOf(lint('FROM scratch\n# check=skip=LegacyKeyValueFormat // why\nENV a b\nENV c d'))).toEqual([
      'LegacyKeyValueFormat',
    ]);
  });
  it('is silent about variables of an image that is not known', () => {
    expect(rulesOf(lint('FROM debian:12\nWORKDIR $X'))).toEqual(['WorkdirRelativePath']);
    expect(rulesOf(lint('FROM scratch\nCOPY $X /'))).toEqual(['UndefinedVar']);
  });
  it('looks only at the stages that a target needs', () => {
    const text = 'FROM scratch AS a\nENV a b\nFROM scratch AS b\nENV c d\nFROM scratch\nCOPY --from=b / /\n';
    expect(lint(text, { target: '2' }).findings.map(({ location }) => location!.range.start.line)).toEqual([4]);
  });
  it('does not take a version, a file or a public key for a secret', () => {
    expect(rulesOf(lint('FROM scratch\nARG TOKEN_FILE PUBLIC_KEY AUTH_VERSION KEYBOARD'))).toEqual([]);
  });
  it('says nothing of what the build itself refuses', () => {
    expect(lint('FROM scratch${\nENV a=${\nEXPOSE x\nCOPY ${a /').findings).toEqual([]);
  });
});

function pageOf(name: string): string {
  const kebab = name.replace(/JSON(?=[A-Z])/, 'Json').replace(/(?<=[a-z0-9])[A-Z]/g, (letter) => `-${letter}`);
  const page = `docs/checks/${kebab.toLowerCase()}.md`;
  expect(existsSync(join(ROOT, page))).toBe(true);
  return page;
}
