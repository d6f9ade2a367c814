mkdir -p src/deep/er docs node_modules/pkg logs/keep build/out a/b/c 'with space'
for f in src/main.js src/main.test.js src/deep/x.tmp src/deep/er/y.tmp src/deep/er/z.js docs/guide.md docs/secret.md \
  docs/notes.txt node_modules/pkg/index.js logs/today.log logs/keep/important.log build/out/bin a/b/c/d a/b/e \
  'with space/f' .env .env.example top.tmp Makefile README.md '#hash'; do echo "$f" > "$f"; done
cat > .dockerignore <<'RULES'
# comment
 
.env
**/*.tmp
node_modules
/docs/secret.md
docs/*.txt
**/*.test.js
logs
!logs/keep
build/*
a/**/c
!README.md
*.m?
with?space
.dockerignore
RULES
