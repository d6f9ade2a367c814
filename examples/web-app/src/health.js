const answer = await fetch(`http://127.0.0.1:${process.env.PORT ?? 8080}/health`);
process.exit(answer.ok ? 0 : 1);
