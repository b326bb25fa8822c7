import { tick } from 'svelte';

/** After a refused submit: to the first field that says so. */
export async function focusFirstWrong(form: HTMLElement): Promise<void> {
  await tick();
  form.querySelector<HTMLElement>('[aria-invalid="true"]')?.focus();
}
