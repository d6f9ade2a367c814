/**
 * Why an image of ours may differ from that of buildah 1.28. Cases name these, with the very path and field; one that no
 * case needs fails the run, as does an allowance that no difference needs.
 */
export const REASONS: Readonly<Record<string, string>> = {
  'archive-escape':
    'A name in an archive that leaves the destination is refused (rule 133); buildah unpacks it inside.',
  'archive-root':
    'The entry of an archive for its root leaves the destination as it is (rule 132); buildah gives it that metadata.',
  'arg-over-env': 'An ARG below an ENV of the same name wins in RUN (rule 43); in buildah an ENV always does.',
  'args-of-parent': 'A stage sees the arguments of the stage that it starts from (rule 47); in buildah it does not.',
  'base-platform': 'A base for another platform is used, with a warning (rule 69); buildah does not find it.',
  'bind-writes-context': 'Writes into a bind mount are lost (rule 155); buildah writes into the context on the host.',
  'braces-without-name': 'Braces without a name are an error (rule 52); buildah takes them for nothing.',
  'bracket-class':
    'A class that holds a bracket matches a bracket (rule 105); buildah matches nothing with it, or another name.',
  'checksum-flag': '--checksum (rule 137) is younger than buildah 1.28.',
  'chmod-of-made-directory':
    'A directory that COPY with an octal --chmod makes gets that mode (rule 113); in buildah it has 0755.',
  'chown-of-archive': '--chown decides the owner of what is unpacked (rule 131); buildah keeps that of the archive.',
  'colonless-forms': 'The forms of expansion without a colon (rules 42 and 50) are younger than buildah 1.28.',
  'dangling-destination':
    'A link in the destination is followed, whether or not something is there (rule 108); buildah makes a directory.',
  devices:
    'Device nodes of an archive are written as what they are (rules 119 and 185); buildah needs a host that lets it make them.',
  'doubled-escape': 'A doubled escape at the end of a line continues nothing (rule 7); buildah joins the lines.',
  'env-order': 'A variable that is set again keeps its place in the list (rule 87); buildah moves it to the end.',
  'escaped-star': 'An escaped star is a star (rule 105); buildah matches any name with it.',
  'exceptions-in-depth':
    'An exception takes files in again at any depth (rule 144); buildah does not look below what two stars leave out.',
  'exclude-flag': '--exclude (rule 123) is younger than buildah 1.28.',
  heredocs: 'Heredocs (rules 31 to 38) are younger than buildah 1.28.',
  'host-name': 'The name of the host is fixed (rule 164); buildah gives that of this host.',
  'line-length':
    'Lines may have any length (rule 17); buildah drops the rest of the file without a word, BuildKit fails.',
  'link-flag': '--link (rules 125 and 126) is younger than buildah 1.28.',
  'link-to-file':
    'A link that is the destination stays, and its target is replaced (rule 108); buildah replaces the link.',
  'missing-source': 'A mount of what is not there is an error (rule 155); buildah mounts nothing.',
  'mount-of-ignored': 'A mount of the context shows what is not ignored (rule 155); buildah shows everything.',
  'network-flag': 'RUN --network (rule 166) is younger than buildah 1.28.',
  'no-match': 'A pattern may match nothing (rule 104); buildah wants one match at least.',
  'other-escape': 'The escape directive holds for quoting too (rule 1); buildah uses it for continuations alone.',
  'other-frontend':
    'Another frontend would read another language, and is refused (rule 1); buildah has no frontends and goes on.',
  overwrites: 'A file and a directory cannot replace each other (rule 107); buildah overwrites.',
  'parents-flag': '--parents (rule 124) is younger than buildah 1.28.',
  'parents-of-exceptions':
    'The directories above an exception are there as they are in the context (rules 114 and 144); buildah makes them with 0755.',
  'port-case': 'A protocol is stored in lower case (rule 22); buildah stores it as it is written.',
  'port-of-the-host': 'A port of the host is left out with a warning (rule 22); buildah stores its text.',
  'port-range': 'A range of ports is stored port by port (rule 21); buildah stores its text.',
  'question-mark-forms': 'A default that a build argument overrides is not expanded (rule 48); buildah cannot read it.',
  'relative-target': 'A relative target of a mount starts at the working directory (rule 154); buildah refuses it.',
  'repeated-flag': 'A flag that takes one value may stand once (rule 12); buildah takes the last.',
  scaffolding: 'What is made to mount something on vanishes after the step (rule 153); buildah leaves it.',
  'scratch-workdir': 'An image from scratch has the working directory / (rule 67); buildah leaves it out.',
  'secret-variable': 'Secrets as variables (rule 160) are younger than buildah 1.28.',
  'several-without-slash':
    'Several files for one destination without a slash would lose all but one (rule 101); buildah makes a directory.',
  'shell-forgotten': 'SHELL holds for CMD and ENTRYPOINT and in the next stage (rules 86 and 91); buildah forgets it.',
  'short-interval': 'An interval below a millisecond is refused (rule 23); buildah stores it.',
  'special-bits': 'setuid, setgid and sticky bits stay (rules 115 and 186); buildah drops them.',
  'stage-name-case': 'Names of stages have no case (rule 11); in buildah 1.28 they have.',
  'symbolic-modes': 'Symbolic modes (rule 122) are younger than buildah 1.28.',
  'tmpfs-removes': 'A temporary file system hides what lies below and leaves it alone (rule 163); buildah removes it.',
  'tmpfs-size': 'The size of a temporary file system (rule 163) is younger than buildah 1.28.',
  'trigger-from-stage': 'A trigger may name stages of the child (rule 71); buildah does not find them.',
  'trim-forms': 'Patterns in expansions (rule 51) are younger than buildah 1.28.',
  'uncleaned-workdir':
    'A working directory is stored without doubled slashes and dots (rule 77); buildah stores its text.',
  'unpack-flag': 'ADD --unpack (rule 136) is younger than buildah 1.28.',
  'volume-directory': 'VOLUME makes no directory (rule 84); buildah does.',
  'volume-files': 'Files that a RUN puts into a volume stay (rule 84); buildah throws them away.',
  'whiteout-name': 'A layer cannot say the name (rule 181); buildah writes a whiteout.',
  'workdir-of-the-base':
    'A directory that the base names is not made before something runs in it (rule 78); buildah makes it.',
  'zero-interval': 'An interval of zero means inherited (rule 23); buildah refuses it.',
};
