import { useMutation, useQueryClient } from '@tanstack/react-query';
import {
  beginSecondFactor,
  confirmSecondFactor,
  removeSecondFactor,
  type SecondFactorRemoval,
} from '@/client';
import { meQuery } from '@/lib/me';

/** Makes a secret for an authenticator app. It counts only once a code made with it is confirmed. */
export function useBeginSecondFactor() {
  return useMutation({ mutationFn: () => beginSecondFactor() });
}

/** Switches the second factor on by a code of the app; answers with the recovery codes. */
export function useConfirmSecondFactor() {
  const onSuccess = useForgetMe();
  return useMutation({
    mutationFn: async (code: string) =>
      (await confirmSecondFactor({ body: { code } })).recovery_codes,
    onSuccess,
  });
}

export function useDisableSecondFactor() {
  const onSuccess = useForgetMe();
  return useMutation({
    mutationFn: (body: SecondFactorRemoval) => removeSecondFactor({ body }),
    onSuccess,
  });
}

function useForgetMe() {
  const queryClient = useQueryClient();
  return () => queryClient.invalidateQueries({ queryKey: meQuery.queryKey });
}
