import { BuildError, nearestWord } from '../core/index.ts';
import { readDirectives } from './directives.ts';
import { parseArg } from './instructions/arg.ts';
import { parseCmd, parseEntrypoint, parseShell } from './instructions/commands.ts';
import { parseAdd, parseCopy } from './instructions/copy.ts';
import { parseFrom } from './instructions/from.ts';
import { parseHealthcheck } from './instructions/healthcheck.ts';
import { parseEnv, parseLabel } from './instructions/key-values.ts';
import { parseExpose, parseVolume } from './instructions/lists.ts';
import { isForbiddenTrigger, parseOnbuild } from './instructions/onbuild.ts';
import { parseRun } from './instructions/run.ts';
import { parseMaintainer, parseStopsignal, parseUser, parseWorkdir } from './instructions/single-word.ts';
import { readStatements } from './read-statements.ts';
import { createSourceText, locationBetween, type SourceText } from './source-text.ts';
import { complainAbout, complainAt, type Statement } from './statement.ts';
import type { ArgInstruction, Dockerfile, FromInstruction, Instruction, Stage } from './types.ts';

const PARSERS: Readonly<Record<string, (statement: Statement) => Instruction>> = {
  add: parseAdd,
  arg: parseArg,
  cmd: parseCmd,
  copy: parseCopy,
  entrypoint: parseEntrypoint,
  env: parseEnv,
  expose: parseExpose,
  healthcheck: parseHealthcheck,
  label: parseLabel,
  maintainer: parseMaintainer,
  onbuild: (statement) => parseOnbuild(statement, parseStatement),
  run: parseRun,
  shell: parseShell,
  stopsignal: parseStopsignal,
  user: parseUser,
  volume: parseVolume,
  workdir: parseWorkdir,
};

const KEYWORDS = [...Object.keys(PARSERS), 'from'].map((name) => name.toUpperCase());

export interface ParseOptions {
  /** For error locations. */
  readonly fileName: string;
}

/**
 * Reads a Dockerfile into its typed tree; nothing is expanded and no name is resolved. Linear in the text, lines of any
 * length. Follows BuildKit's parser, where ours is stricter it refuses what could only fail later (a wrong `ONBUILD`
 * trigger, flags on `ARG` and `STOPSIGNAL`).
 *
 * @throws BuildError `DOCKERFILE_SYNTAX` or `DOCKERFILE_INVALID`, with the location of the offending word.
 */
export function parseDockerfile(text: string, { fileName }: ParseOptions): Dockerfile {
  const source = createSourceText(fileName, text);
  const { directives, lines } = readDirectives(source);
  const { statements, warnings } = readStatements(source, { escape: directives.escape, directiveLines: lines });
  if (statements.length === 0) throw emptyFile(source);
  const firstFrom = statements.findIndex(isFrom);
  const head = firstFrom < 0 ? statements : statements.slice(0, firstFrom);
  const globalArgs = head.map(parseGlobalArg);
  if (firstFrom < 0) throw noStage(statements.at(-1)!);
  return {
    fileName,
    text: source.text,
    directives,
    globalArgs,
    stages: parseStages(statements.slice(firstFrom)),
    warnings,
  };
}

function isFrom(statement: Statement): boolean {
  return statement.keyword.text.toLowerCase() === 'from';
}

function parseGlobalArg(statement: Statement): ArgInstruction {
  const instruction = parseStatement(statement);
  if (instruction.kind === 'arg') return instruction;
  throw complainAt(statement, statement.keyword, {
    message: `${statement.keyword.text.toUpperCase()} stands before the first FROM.`,
    hint: 'Only ARG may stand there. Begin the stage with FROM <image>, or FROM scratch.',
  });
}

function parseStages(statements: readonly Statement[]): readonly Stage[] {
  const stages: Array<{ readonly from: FromInstruction; readonly instructions: Instruction[] }> = [];
  for (const statement of statements) {
    if (isFrom(statement)) stages.push({ from: parseFrom(statement), instructions: [] });
    else stages.at(-1)!.instructions.push(parseStatement(statement));
  }
  return stages.map(({ from, instructions }, index) => ({
    index,
    ...(from.as === undefined ? {} : { name: from.as.toLowerCase() }),
    from,
    instructions,
  }));
}

/** Everything but `FROM`. */
function parseStatement(statement: Statement): Instruction {
  const keyword = statement.keyword.text.toLowerCase();
  const parser = Object.hasOwn(PARSERS, keyword) ? PARSERS[keyword] : undefined;
  if (parser === undefined) throw unknownInstruction(statement);
  return parser(statement);
}

function unknownInstruction(statement: Statement): BuildError {
  const { text } = statement.keyword;
  if (text === '') {
    return complainAbout(statement, {
      message: 'A line holds nothing but a continuation.',
      hint: 'Remove it, or put an instruction behind it.',
    });
  }
  const nearest = nearestWord(text, KEYWORDS);
  return complainAt(statement, statement.keyword, {
    message: `"${text}" is not an instruction.`,
    hint:
      nearest === undefined
        ? 'A line that goes on from the one before needs a \\ at the end of that one.'.replace('\\', statement.escape)
        : `The nearest instruction is ${text === text.toLowerCase() ? nearest.toLowerCase() : nearest}.`,
  });
}

function emptyFile(source: SourceText): BuildError {
  return new BuildError('DOCKERFILE_SYNTAX', `${source.fileName} holds no instructions.`, {
    hint: 'A Dockerfile begins with FROM <image>, or FROM scratch.',
    location: locationBetween(source, 0, 0),
  });
}

function noStage(last: Statement): BuildError {
  return complainAbout(last, {
    message: `${last.source.fileName} has no FROM.`,
    hint: 'Add FROM <image>, or FROM scratch: an image needs at least one stage.',
  });
}

/**
 * Reads one instruction, heredoc bodies included: an `ONBUILD` trigger of a base image. `fileName` names the image, for
 * error locations; the escape character of triggers is always the backslash.
 *
 * @throws BuildError `DOCKERFILE_SYNTAX` or `DOCKERFILE_INVALID`; also for `FROM`, `ONBUILD`, `MAINTAINER` and for more than
 *   one instruction.
 */
export function parseInstruction(text: string, { fileName }: ParseOptions): Instruction {
  const source = createSourceText(fileName, text);
  const { statements } = readStatements(source, { escape: '\\', directiveLines: new Set() });
  const [statement, second] = statements;
  if (statement === undefined) throw emptyFile(source);
  if (second !== undefined) {
    throw complainAbout(second, {
      message: 'A trigger is one instruction, and a second one follows.',
      hint: 'Rebuild the base image with an ONBUILD for each instruction.',
    });
  }
  if (isForbiddenTrigger(statement.keyword.text)) {
    throw complainAt(statement, statement.keyword, {
      message: `${statement.keyword.text.toUpperCase()} cannot be triggered by ONBUILD.`,
      hint: 'ONBUILD takes any instruction but ONBUILD, FROM and MAINTAINER.',
    });
  }
  return parseStatement(statement);
}
