const LATE_TRIGGER =
  'A wrong ONBUILD trigger is refused where it is written: upstream, only the build of a child image fails.';

/**
 * Cases of the reference's data that are meant to come out differently here, by data set and id, each with its reason. A
 * listed case that holds fails the run.
 */
export const KNOWN_DIFFERENCES: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  'dockerfile-parser': {
    'parse-error/line-too-long': 'Lines may have any length; upstream stops at 64 KiB, which generated files exceed.',
    'split-command/21': 'Flags are read as text; upstream walks their bytes and garbles what is not ASCII.',
    'split-command/28': 'A no-break space separates flags as a whole; upstream leaves half of its bytes in the flag.',
  },
  instructions: {
    'no-crash/onbuild-1': LATE_TRIGGER,
    'no-crash/onbuild-2': LATE_TRIGGER,
    'no-crash/onbuild-3': LATE_TRIGGER,
    'no-crash/onbuild-4': LATE_TRIGGER,
    'no-crash/onbuild-5': LATE_TRIGGER,
    'parse/50': 'A cache mount without target is refused; upstream hides the working directory behind it.',
    'parse/99': LATE_TRIGGER,
    'parse/100': LATE_TRIGGER,
  },
  lint: {
    'WarningsBeforeError/1': 'A file that cannot be read is reported by its error alone; checks run over parsed files.',
    'doc/CopyIgnoredFile-1': 'The page contradicts the program, which we follow: */tmp/* needs a folder above tmp.',
    'doc/LegacyKeyValueFormat-1':
      'The page contradicts the program, which we follow: ARG foo bar declares two arguments.',
  },
  ignore: {
    'match-observed/11': 'A leading slash means nothing in --exclude either; upstream lets such a pattern never match.',
  },
};
