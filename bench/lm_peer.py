#!/usr/bin/python3
"""The peer of bench/lm.c: the same model, batch and work in PyTorch (Debian: python3-torch) on the CPU.

usage: OPENBLAS_NUM_THREADS=1 bench/lm_peer.py small|gpt2 [THREADS [STEPS [fp32|bf16]]]     bf16: autocast
Generous to PyTorch: fused GELU and cross-entropy, a preallocated cache of keys and values, no padding."""
import math
import sys
import time

import torch
import torch.nn.functional as F

SEQUENCES, LENGTH, BATCH, PROMPT, NEW = 8, 128, 64, 32, 32
SHAPES = {"small": (8192, 6, 256, 8), "gpt2": (50257, 12, 768, 12)}


class Stopwatch:
    """The shortest of several repetitions, by the wall clock and in CPU seconds."""
    def __init__(self):
        self.wall = self.cpu = math.inf

    def start(self):
        self.begin = time.monotonic(), time.process_time()

    def stop(self):
        self.wall = min(self.wall, time.monotonic() - self.begin[0])
        self.cpu = min(self.cpu, time.process_time() - self.begin[1])


def autocast(bf16):
    return torch.autocast("cpu", dtype=torch.bfloat16, enabled=bf16)


class Block(torch.nn.Module):
    def __init__(self, d, heads):
        super().__init__()
        self.heads = heads
        self.ln_1, self.ln_2 = torch.nn.LayerNorm(d), torch.nn.LayerNorm(d)
        self.c_attn, self.c_proj = torch.nn.Linear(d, 3 * d), torch.nn.Linear(d, d)
        self.c_fc, self.c_down = torch.nn.Linear(d, 4 * d), torch.nn.Linear(4 * d, d)

    def forward(self, x, cache=None, past=0):
        B, T, D = x.shape
        q, k, v = (t.view(B, T, self.heads, D // self.heads).transpose(1, 2)
                   for t in self.c_attn(self.ln_1(x)).split(D, dim=2))
        if cache is not None:
            cache[0][:, :, past:past + T] = k
            cache[1][:, :, past:past + T] = v
            k, v = cache[0][:, :, :past + T], cache[1][:, :, :past + T]
        scores = q @ k.transpose(2, 3) / math.sqrt(q.shape[3])
        if T > 1:
            scores = scores.masked_fill(~torch.ones(T, past + T, dtype=torch.bool).tril(past), float("-inf"))
        x = x + self.c_proj((scores.softmax(-1) @ v).transpose(1, 2).reshape(B, T, D))
        return x + self.c_down(F.gelu(self.c_fc(self.ln_2(x)), approximate="tanh"))


class Gpt(torch.nn.Module):
    def __init__(self, vocabulary, layers, d, heads):
        super().__init__()
        self.wte, self.wpe = torch.nn.Embedding(vocabulary, d), torch.nn.Embedding(1024, d)
        self.blocks = torch.nn.ModuleList(Block(d, heads) for _ in range(layers))
        self.ln_f = torch.nn.LayerNorm(d)
        for p in self.parameters():
            if p.dim() > 1:
                torch.nn.init.normal_(p, std=0.02)

    def hidden(self, tokens, caches=None, past=0):
        x = self.wte(tokens) + self.wpe(torch.arange(past, past + tokens.shape[1]))
        for i, block in enumerate(self.blocks):
            x = block(x, caches[i] if caches else None, past)
        return self.ln_f(x)


def time_training(model, vocabulary, steps, bf16):
    tokens = torch.randint(vocabulary, (SEQUENCES, LENGTH))
    targets = torch.randint(vocabulary, (SEQUENCES * LENGTH,))
    adam = torch.optim.AdamW(model.parameters(), lr=1e-4, weight_decay=0.01)
    watch = Stopwatch()
    for i in range(steps + 1):
        watch.start()
        adam.zero_grad()
        with autocast(bf16):
            logits = model.hidden(tokens).view(-1, model.wte.weight.shape[1]) @ model.wte.weight.T
        F.cross_entropy(logits.float(), targets).backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1)
        adam.step()
        if i > 0:
            watch.stop()
    tokens = SEQUENCES * LENGTH
    print(f"train   {tokens / watch.wall:8.0f} tokens/s, {tokens / watch.cpu:8.0f} a CPU second "
          f"(best of {steps} steps)")


@torch.no_grad()
def time_sampling(model, vocabulary, layers, d, heads, bf16):
    prompts = torch.randint(vocabulary, (BATCH, PROMPT))
    watch = Stopwatch()
    for _ in range(4):
        watch.start()
        kind = torch.bfloat16 if bf16 else torch.float32
        caches = [[torch.zeros(BATCH, heads, PROMPT + NEW, d // heads, dtype=kind) for _ in range(2)]
                  for _ in range(layers)]
        tokens, past = prompts, 0
        for _ in range(NEW):
            with autocast(bf16):
                logits = model.hidden(tokens, caches, past)[:, -1] @ model.wte.weight.T
            past += tokens.shape[1]
            logp = logits.float().log_softmax(-1)
            tokens = logp.exp().multinomial(1)
            logp.gather(1, tokens)
        watch.stop()
    print(f"sample  {BATCH * NEW / watch.wall:8.0f} tokens/s, {BATCH * NEW / watch.cpu:8.0f} a CPU second "
          f"(batch {BATCH}, prompts of {PROMPT} included)")


def main():
    name = sys.argv[1] if len(sys.argv) > 1 else "small"
    threads = int(sys.argv[2]) if len(sys.argv) > 2 else 2
    steps = int(sys.argv[3]) if len(sys.argv) > 3 else 5
    bf16 = len(sys.argv) > 4 and sys.argv[4] == "bf16"
    torch.set_num_threads(threads)
    torch.manual_seed(1)
    vocabulary, layers, d, heads = SHAPES[name]
    model = Gpt(vocabulary, layers, d, heads)
    print(f"{name}, {threads} thread(s), PyTorch {torch.__version__}, {'bf16 autocast' if bf16 else 'fp32'}")
    time_sampling(model, vocabulary, layers, d, heads, bf16)
    time_training(model, vocabulary, steps, bf16)


if __name__ == "__main__":
    main()
